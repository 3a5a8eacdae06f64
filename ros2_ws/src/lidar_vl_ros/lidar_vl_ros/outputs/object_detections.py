"""~/output/objects/detections: boxes as vision_msgs/Detection3DArray, where that is installed."""

from typing import Any

from rclpy.lifecycle import LifecycleNode

from lidar_vl_ros.messages.detections import DetectionTypes, detection_array
from lidar_vl_ros.node.publishing import offer, publish
from lidar_vl_ros.outputs.answer import ObjectAnswer

_TOPIC = "~/output/objects/detections"


class ObjectDetections:
    """An array for each cloud, an empty one for a cloud without objects."""

    def __init__(self, node: LifecycleNode, types: DetectionTypes) -> None:
        self._node, self._types = node, types
        self._publisher = offer(node, _TOPIC, types.array)

    def wanted(self) -> bool:
        """Whether the topic has a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def publish(self, answer: ObjectAnswer) -> None:
        """Publish the array with the header of the input, if it is wanted."""
        if self.wanted():
            message: Any = detection_array(self._types, answer.found)
            publish(self._node, self._publisher, message)

    def needs_images(self) -> bool:
        """No: the answer alone is enough."""
        return False

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
