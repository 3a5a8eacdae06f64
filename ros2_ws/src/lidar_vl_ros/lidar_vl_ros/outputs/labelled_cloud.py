"""~/output/pointcloud/segmentation: the input cloud with a class and its probability for each point."""

from sensor_msgs.msg import PointCloud2

from lidar_vl_ros.messages.sensor_data import point_cloud2, position_columns
from lidar_vl_ros.node.output import TopicOutput
from lidar_vl_ros.outputs.answer import Answer


class LabelledCloud(TopicOutput[Answer]):
    """The points as received, with class_id, probability and the extra fields that the cloud carries."""

    topic = "~/output/pointcloud/segmentation"
    message_type = PointCloud2

    def message(self, answer: Answer) -> PointCloud2:
        """The cloud, with the header of the input."""
        cloud, found = answer.cloud, {"class_id": answer.class_id, "probability": answer.probability}
        columns = position_columns(cloud) | {"intensity": cloud.intensity} | found
        extra = {name: column for name, column in cloud.extra.items() if name not in columns and column.ndim == 1}
        return point_cloud2(answer.header, columns | extra)
