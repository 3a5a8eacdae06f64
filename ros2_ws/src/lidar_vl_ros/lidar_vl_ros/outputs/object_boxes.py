"""~/output/objects/boxes: one point per box with all that is known about it, in a type that every installation has."""

from sensor_msgs.msg import PointCloud2

from lidar_vl_ros.messages.box_cloud import box_cloud
from lidar_vl_ros.node.output import TopicOutput
from lidar_vl_ros.outputs.answer import ObjectAnswer


class ObjectBoxes(TopicOutput[ObjectAnswer]):
    """A cloud of boxes, without points if there are no objects."""

    topic = "~/output/objects/boxes"
    message_type = PointCloud2

    def message(self, answer: ObjectAnswer) -> PointCloud2:
        """The cloud of boxes, with the header of the input."""
        return box_cloud(answer.found)
