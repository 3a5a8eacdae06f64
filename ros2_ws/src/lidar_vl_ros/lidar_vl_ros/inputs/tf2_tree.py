"""tf2's buffer in place of ours, if installed: it comes with ROS, but not with the ROS wheels."""

from typing import Any

from builtin_interfaces.msg import Time as Stamp
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

from lidar_vl_core.foundation.stamps import sec_and_nanosec
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree

_SENDER = "lidar_vl_ros"


def open_tree(history_s: float) -> TransformTree:
    """An empty tree: tf2 answers its lookups if tf2_py is installed, otherwise ours does."""
    try:
        import tf2_py
    except ImportError:
        return TransformTree(history_s)
    return Tf2Tree(history_s, tf2_py)


class Tf2Tree(TransformTree):
    """Checks transforms as TransformTree does and keeps them in both: where tf2 has no answer, ours gives it or says why not."""

    def __init__(self, history_s: float, tf2: Any) -> None:  # noqa: ANN401  the module tf2_py
        super().__init__(history_s)
        self._tf2 = tf2
        self._buffer = tf2.BufferCore(Duration(seconds=history_s))

    def add(self, parent: str, child: str, stamp_ns: int | None, T_parent_child: RigidTransform) -> None:
        """Add a transform, as TransformTree does; if the clock was set back, tf2's moving transforms are cleared, as it takes none older than its history."""
        clock_was_set = stamp_ns is not None and self.begins_anew(child, stamp_ns)
        super().add(parent, child, stamp_ns, T_parent_child)
        if clock_was_set:
            self._buffer.clear()
        message = transform_message(parent, child, stamp_ns or 0, T_parent_child)
        if self.is_static(child):
            self._buffer.set_transform_static(message, _SENDER)
        else:
            self._buffer.set_transform(message, _SENDER)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """Look a transform up, as TransformTree does."""
        # To tf2 no time means the newest, and from a frame to itself all is known, even of a frame that nobody named.
        if stamp_ns <= 0 or target == source:
            return super().lookup(target, source, stamp_ns)
        try:
            found = self._buffer.lookup_transform_core(
                target.removeprefix("/"), source.removeprefix("/"), Time(nanoseconds=stamp_ns)
            )
        except self._tf2.TransformException:
            return super().lookup(target, source, stamp_ns)
        return rigid_transform(found.transform)


def transform_message(parent: str, child: str, stamp_ns: int, T_parent_child: RigidTransform) -> TransformStamped:
    """The transform as a message; its frame names have no leading slash."""
    (x, y, z), (qx, qy, qz, qw) = T_parent_child.translation_m.tolist(), T_parent_child.quaternion().tolist()
    transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw))
    sec, nanosec = sec_and_nanosec(stamp_ns)
    header = Header(stamp=Stamp(sec=sec, nanosec=nanosec), frame_id=parent.removeprefix("/"))
    return TransformStamped(header=header, child_frame_id=child.removeprefix("/"), transform=transform)


def rigid_transform(message: Transform) -> RigidTransform:
    """The transform of a message. Raises BadTransform for invalid numbers."""
    rotation, translation = message.rotation, message.translation
    return RigidTransform.from_quaternion(
        (rotation.x, rotation.y, rotation.z, rotation.w), (translation.x, translation.y, translation.z)
    )
