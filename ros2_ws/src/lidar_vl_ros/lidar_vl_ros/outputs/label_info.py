"""~/output/label_info: what the class ids mean, in step with the clouds that carry them; ~/output/objects/label_info: the same for boxes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.label_info import label_info
from lidar_vl_ros.messages.message_class import message_class
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.node.publishing import publish

POINTS_TOPIC = "~/output/label_info"
OBJECTS_TOPIC = "~/output/objects/label_info"
_VISION_TOPICS = {  # beside them
    POINTS_TOPIC: "~/output/vision_label_info",
    OBJECTS_TOPIC: "~/output/objects/vision_label_info",
}

Tell = Callable[[ClassTable, int], None]  # classes, and a stamp in nanoseconds


class LabelInfo:
    """Latched, even while the node is not active; also as vision_msgs/LabelInfo if that is installed."""

    def __init__(self, node: LifecycleNode, newest: Callable[[], ClassTable], topic: str = POINTS_TOPIC) -> None:
        """newest: gives the classes of a cloud that would be started now; published at once. topic: or OBJECTS_TOPIC."""
        self._node, self._topic = node, topic
        messages = _messages(topic, newest(), 0)
        self._publishers = {
            topic: node.create_publisher(type(message), topic, LATCHED) for topic, message in messages.items()
        }
        self._names = _ClassNames(self._tell, newest)
        self._names.changed()

    def of_a_cloud(self) -> AbstractContextManager[Tell]:
        """A context for processing a cloud in the worker; yields what to call with its classes and stamp before it is published."""
        return self._names.of_a_cloud()

    def changed(self) -> None:
        """Publish the newest classes now, or after the cloud in progress."""
        self._names.changed()

    def close(self) -> None:
        """Destroy the publishers; a cloud still in progress publishes nothing more."""
        publishers, self._publishers = self._publishers, {}
        for publisher in publishers.values():
            self._node.destroy_publisher(publisher)

    def _tell(self, classes: ClassTable, after_stamp_ns: int) -> None:
        publishers = self._publishers
        for topic, message in _messages(self._topic, classes, after_stamp_ns).items():
            if topic in publishers:
                publish(self._node, publishers[topic], message)


class _ClassNames:
    """Publishes classes whenever they change: a cloud has the classes published last before it, even while words change.

    One topic may overtake the other on the way, so the stamp of the last cloud with the previous classes goes with the new ones.
    """

    def __init__(self, tell: Tell, newest: Callable[[], ClassTable]) -> None:
        """tell: publishes classes and that stamp. newest: gives the classes of a cloud that would be started now."""
        self._tell, self._newest = tell, newest
        self._lock = threading.Lock()
        self._in_work = False
        self._told: ClassTable | None = None
        self._last_stamp_ns = 0

    @contextmanager
    def of_a_cloud(self) -> Iterator[Tell]:
        """A context for processing a cloud in the worker; yields what to call with its classes and stamp before it is published."""
        with self._lock:
            self._in_work = True
        try:
            yield self._tell_before
        finally:
            with self._lock:
                self._in_work = False
            self.changed()

    def changed(self) -> None:
        """Publish the newest classes now, or after the cloud in progress, which may have started with the previous ones."""
        with self._lock:
            if not self._in_work:
                self._tell_changed(self._newest())

    def _tell_before(self, classes: ClassTable, stamp_ns: int) -> None:
        with self._lock:
            self._tell_changed(classes)
            self._last_stamp_ns = stamp_ns

    def _tell_changed(self, classes: ClassTable) -> None:
        if classes != self._told:
            self._tell(classes, self._last_stamp_ns)
            self._told = classes


def _messages(topic: str, classes: ClassTable, after_stamp_ns: int) -> dict[str, Any]:
    """The messages by topic, of the message types that are installed."""
    told = String(data=label_info(classes, after_stamp_ns))
    messages = {topic: told, _VISION_TOPICS[topic]: _vision_label_info(classes)}
    return {topic: message for topic, message in messages.items() if message is not None}


def _vision_label_info(classes: ClassTable) -> Any | None:  # noqa: ANN401
    info_class, entry_class = message_class("vision_msgs/msg/LabelInfo"), message_class("vision_msgs/msg/VisionClass")
    if info_class is None or entry_class is None:
        return None
    entries = [entry_class(class_id=class_id, class_name=name) for class_id, name in enumerate(classes.names)]
    return info_class(class_map=entries)
