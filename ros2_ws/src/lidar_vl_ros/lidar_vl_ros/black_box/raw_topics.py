"""Topics as raw bytes: what a black box holds, without decoding any of it."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from lidar_vl_core.black_box.message_ring import CALIBRATIONS
from lidar_vl_core.black_box.static_transforms import TF_STATIC, TF_TYPE
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.messages.latched import AllLatchedToo, LatchedToo
from lidar_vl_ros.messages.message_class import message_class

_SENSORS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
_TRANSFORMS = QoSProfile(depth=100)
_STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Heard = Callable[[str, str, bytes], None]  # topic, type, bytes


class RawTopic(NamedTuple):
    """A topic to listen to."""

    type_name: str
    qos: QoSProfile


def topics_to_remember(
    cloud_topics: Iterable[str], cameras: Mapping[str, CameraParameters], odometry_topic: str
) -> dict[str, RawTopic]:
    """The topics that offline training needs: clouds, images with calibration, the sensor's motion. odometry_topic: or empty."""
    topics = {topic: RawTopic(CLOUD_TYPE, _SENSORS) for topic in cloud_topics}
    for camera in cameras.values():
        topics[camera.topic] = RawTopic(camera.image_type, _SENSORS)
        topics[camera.calibration_topic] = RawTopic(CALIBRATIONS, _SENSORS)
    if odometry_topic:
        topics[odometry_topic] = RawTopic("nav_msgs/msg/Odometry", _SENSORS)
    return topics | {"/tf": RawTopic(TF_TYPE, _TRANSFORMS), TF_STATIC: RawTopic(TF_TYPE, _STATIC)}


class RawTopics:
    """Subscriptions to topics, from construction until `stop`."""

    def __init__(self, node: LifecycleNode, topics: Mapping[str, RawTopic], heard: Heard) -> None:
        """heard: called in the executor's thread, with the topic's name as it is after remapping.

        Topics whose type is not installed are left out; the node has already reported that.
        """
        self._node = node
        self.latched_calibrations = AllLatchedToo()
        known = ((name, topic, message_class(topic.type_name)) for name, topic in topics.items())
        self._subscriptions = [
            self._listen(kind, name, topic, heard) for name, topic, kind in known if kind is not None
        ]

    def stop(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.latched_calibrations.stop()

    def _listen(self, kind: type, name: str, topic: RawTopic, heard: Heard) -> Any:  # noqa: ANN401
        callback: Callable[[bytes], None] = partial(heard, self._node.resolve_topic_name(name), topic.type_name)
        if topic.type_name == CALIBRATIONS:
            callback = _without_repeats(callback)
            self.latched_calibrations.add(LatchedToo(self._node, kind, name, callback, raw=True))
        return self._node.create_subscription(kind, name, callback, topic.qos, raw=True)


def _without_repeats(heard: Callable[[bytes], None]) -> Callable[[bytes], None]:
    last = b""

    def hear(cdr: bytes) -> None:
        nonlocal last
        if cdr != last:
            last = cdr
            heard(cdr)

    return hear
