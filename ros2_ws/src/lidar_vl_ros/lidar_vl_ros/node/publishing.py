"""Publishers of a lifecycle node: created with one QoS, and used from the worker."""

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher

from lidar_vl_ros.messages.qos import OUTPUT, publisher_events


def offer(node: LifecycleNode, topic: str, message_type: type) -> LifecyclePublisher:
    """Create a publisher that is silent while the node is not active, and reports subscribers that ask for more than it offers."""
    events = publisher_events(node.resolve_topic_name(topic), node.get_logger().warning)
    return node.create_lifecycle_publisher(message_type, topic, OUTPUT, event_callbacks=events)


def publish(node: LifecycleNode, publisher: Any, message: Any) -> None:  # noqa: ANN401
    """Publish from the worker, unless the context is shut down meanwhile."""
    try:
        publisher.publish(message)
    except Exception:
        if node.context.ok():
            raise
