"""Transforms of the running system: /tf and /tf_static where tf2_msgs is installed, odometry, and those given as parameters."""

import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from lidar_vl_core.foundation.errors import BadConfig, BadTransform
from lidar_vl_core.geometry.frame_transforms import FrameTransforms, RefusedTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformToCome
from lidar_vl_ros.inputs.tf2_tree import open_tree
from lidar_vl_ros.messages.message_class import message_class

_DEPTH = 100
_HISTORY_S = 10.0  # of moving transforms: longer than any image waits for its cloud


class LiveTransforms:
    """Transforms between frames at given times; subscribes only between `listen` and `stop`."""

    def __init__(self, node: Node, given: Sequence[str]) -> None:
        """given: texts 'parent child x y z qx qy qz qw'. Raises BadConfig or BadTransform."""
        self._node = node
        self._given = [static_transform(text) for text in given]
        self._changed = threading.Condition()
        self._subscriptions: list[Any] = []
        self._start_anew()

    def listen(self, odometry_topic: str = "") -> None:
        """Subscribe, unless only the given transforms can be used. odometry_topic: a further source of a moving transform."""
        message_type = message_class("tf2_msgs/msg/TFMessage")
        if message_type is not None:
            latched = QoSProfile(depth=_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._subscriptions = [
                self._node.create_subscription(message_type, "/tf", self._moving, _DEPTH),
                self._node.create_subscription(message_type, "/tf_static", self._static, latched),
            ]
        elif not self._given and not odometry_topic:
            self._node.get_logger().warning("tf2_msgs is not installed: set the parameter static_transforms instead")
        if odometry_topic:
            self._listen_to_odometry(odometry_topic)

    def stop(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def T_cam_lidar(
        self, camera_frame: str, camera_stamp_ns: int, lidar_frame: str, lidar_stamp_ns: int
    ) -> RigidTransform:
        """The transform from the LiDAR at its own stamp to the camera at its own stamp. Raises BadTransform."""
        with self._changed:
            return self._transforms.T_cam_lidar(camera_frame, camera_stamp_ns, lidar_frame, lidar_stamp_ns)

    def T_unmoved_cam_lidar(self, camera_frame: str, lidar_frame: str) -> RigidTransform:
        """As T_cam_lidar if nothing moved between the stamps. Raises BadTransform unless static transforms give it."""
        with self._changed:
            return self._transforms.T_unmoved_cam_lidar(camera_frame, lidar_frame)

    def is_to_come(self, camera_frame: str, camera_stamp_ns: int, lidar_frame: str, lidar_stamp_ns: int) -> bool:
        """Whether T_cam_lidar is unknown because moving transforms do not reach these stamps yet."""
        try:
            self.T_cam_lidar(camera_frame, camera_stamp_ns, lidar_frame, lidar_stamp_ns)
        except TransformToCome:
            return True
        except BadTransform:  # it never comes; reported when the image is to be placed
            return False
        return False

    def T_now_then(self, frame: str, now_ns: int, then_ns: int, wait_until_s: float) -> RigidTransform:
        """The transform of points from a frame at one time to the same frame at another; blocks for transforms still to come.

        wait_until_s: on time.monotonic(). Raises BadTransform if the motion is unknown; never takes it for none.
        """
        return self._waited_for(lambda known: known.T_now_then(frame, now_ns, then_ns), wait_until_s)

    def T_moved_cam_lidar(
        self, camera_frame: str, camera_stamp_ns: int, lidar_frame: str, lidar_stamp_ns: int, wait_until_s: float
    ) -> RigidTransform:
        """As T_cam_lidar for stamps that are apart; waits and raises as T_now_then."""
        stamped = camera_frame, camera_stamp_ns, lidar_frame, lidar_stamp_ns
        return self._waited_for(lambda known: known.T_moved_cam_lidar(*stamped), wait_until_s)

    def T_main_other(
        self, main_frame: str, main_stamp_ns: int, other_frame: str, other_stamp_ns: int, wait_until_s: float
    ) -> RigidTransform:
        """The transform from another LiDAR at its stamp to the main one at its own; needs the motion between different stamps.

        Waits and raises as T_now_then.
        """
        stamped = main_frame, main_stamp_ns, other_frame, other_stamp_ns
        if main_stamp_ns == other_stamp_ns:
            return self._waited_for(lambda known: known.T_cam_lidar(*stamped), wait_until_s)
        return self.T_moved_cam_lidar(*stamped, wait_until_s)

    def _waited_for(self, ask: Callable[[FrameTransforms], RigidTransform], wait_until_s: float) -> RigidTransform:
        with self._changed:
            while True:
                try:
                    return ask(self._transforms)
                except TransformToCome:
                    left_s = wait_until_s - time.monotonic()
                    if left_s <= 0:
                        raise
                    self._changed.wait(left_s)

    def _listen_to_odometry(self, topic: str) -> None:
        message_type = message_class("nav_msgs/msg/Odometry")
        if message_type is None:
            self._node.get_logger().warning(f"nav_msgs is not installed: {topic} is ignored, provide /tf instead")
            return
        best_effort = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscriptions.append(self._node.create_subscription(message_type, topic, self._odometry, best_effort))

    def _start_anew(self) -> None:
        self._transforms = FrameTransforms(open_tree(_HISTORY_S))
        if refused := self._transforms.add(SimpleNamespace(transforms=self._given), static=True):
            raise BadTransform(f"parameter static_transforms: {refused[0]}")

    def _moving(self, message: Any) -> None:  # noqa: ANN401
        self._add(message, static=False)

    def _static(self, message: Any) -> None:  # noqa: ANN401
        self._add(message, static=True)

    def _odometry(self, message: Any) -> None:  # noqa: ANN401
        self._take(lambda transforms: transforms.add_odometry(message))

    def _add(self, message: Any, static: bool) -> None:  # noqa: ANN401
        self._take(lambda transforms: transforms.add(message, static))

    def _take(self, add: Callable[[FrameTransforms], list[RefusedTransform]]) -> None:
        with self._changed:
            refused = add(self._transforms)
            self._changed.notify_all()
        if refused:
            self._node.get_logger().warning(str(refused[0]), throttle_duration_sec=5.0)


def static_transform(text: str) -> TransformStamped:
    """'parent child x y z qx qy qz qw' as a transform without a stamp. Raises BadConfig."""
    words = text.split()
    try:
        parent, child = words[:2]
        x, y, z, qx, qy, qz, qw = (float(word) for word in words[2:])
    except ValueError as error:
        raise BadConfig(
            f"parameter static_transforms: expected 'parent child x y z qx qy qz qw', found {text!r}."
        ) from error
    stamped = TransformStamped(child_frame_id=child)
    stamped.header.frame_id = parent
    stamped.transform.translation.x, stamped.transform.translation.y, stamped.transform.translation.z = x, y, z
    rotation = stamped.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = qx, qy, qz, qw
    return stamped
