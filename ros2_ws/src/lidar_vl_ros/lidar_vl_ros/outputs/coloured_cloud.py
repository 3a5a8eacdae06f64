"""~/output/pointcloud/visualization: the input cloud in the colours of its classes."""

from sensor_msgs.msg import PointCloud2

from lidar_vl_core.clouds.colours import packed_rgb
from lidar_vl_ros.messages.sensor_data import point_cloud2, position_columns
from lidar_vl_ros.node.output import TopicOutput
from lidar_vl_ros.outputs.answer import Answer


class ColouredCloud(TopicOutput[Answer]):
    """Colours as RViz and Foxglove read them: `rgb`, 0x00RRGGBB in the bits of a float32."""

    topic = "~/output/pointcloud/visualization"
    message_type = PointCloud2

    def message(self, answer: Answer) -> PointCloud2:
        """The cloud, with the header of the input."""
        rgb = packed_rgb(answer.classes.colorize(answer.class_id))
        return point_cloud2(answer.header, position_columns(answer.cloud) | {"rgb": rgb})
