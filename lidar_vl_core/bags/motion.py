"""How the sensor of a recording moved: by its transforms, or by its odometry where they tell of no motion. Reads files."""

from typing import TYPE_CHECKING

from lidar_vl_core.bags.surroundings import TF_TYPE
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.rigid_transform import RigidTransform

if TYPE_CHECKING:
    from lidar_vl_core.bags.reader import BagReader

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"


class RecordedMotion:
    """All that a recording tells of motion, read at once: a pose may be written later than the cloud it belongs to."""

    def __init__(self, bag: "BagReader") -> None:
        """Of several topics of odometry the one with most messages is read. Messages that cannot be read tell nothing."""
        # Kept from the first second to the last, as a recording is read whole.
        self._by_tf, self._by_odometry = FrameTransforms(history_s=None), FrameTransforms(history_s=None)
        odometry = sorted(
            (topic for topic in bag.topics if topic.type == ODOMETRY_TYPE), key=lambda topic: (-topic.count, topic.name)
        )[:1]
        topics = [topic.name for topic in (*(each for each in bag.topics if each.type == TF_TYPE), *odometry)]
        for message in bag.messages(topics) if topics else ():
            try:
                content = message.message
            except BadBag:
                continue
            if message.type == ODOMETRY_TYPE:
                self._by_odometry.add_odometry(content)
                continue
            is_static = message.topic.endswith("tf_static")
            self._by_tf.add(content, is_static)
            if is_static:
                self._by_odometry.add(content, is_static)

    def T_now_then(self, frame: str, now_ns: int, then_ns: int) -> RigidTransform:
        """How points seen in a frame at one time lie in it at another. Raises BadTransform where the recording does not tell."""
        moves = self._by_odometry.moves(frame) and not self._by_tf.moves(frame)
        return (self._by_odometry if moves else self._by_tf).T_now_then(frame, now_ns, then_ns)
