"""~/output/objects/markers: boxes with names, scores, velocities and second opinions, as every viewer shows them."""

from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from lidar_vl_ros.messages.markers import object_markers
from lidar_vl_ros.node.output import TopicOutput
from lidar_vl_ros.outputs.answer import ObjectAnswer


class ObjectMarkers(TopicOutput[ObjectAnswer]):
    """Each array replaces the one before."""

    topic = "~/output/objects/markers"
    message_type = MarkerArray

    def __init__(self, node: LifecycleNode, lifetime_s: float) -> None:
        """lifetime_s: of a marker that nothing replaces; 0 = forever."""
        super().__init__(node)
        self._lifetime_s = lifetime_s

    def message(self, answer: ObjectAnswer) -> MarkerArray:
        """The markers, with the header of the input."""
        return object_markers(answer.found, self._lifetime_s)
