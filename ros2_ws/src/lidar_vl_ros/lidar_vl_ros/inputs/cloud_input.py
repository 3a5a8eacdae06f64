"""The input clouds of a node: subscribed to while it serves, told apart by sender, watched for losses and jumps back in time."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.foundation.stamps import JUMP_NS, stamp_ns
from lidar_vl_ros.health.health import Health
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.senders import Senders
from lidar_vl_ros.messages.qos import NEWEST_ONLY, subscription_events
from lidar_vl_ros.messages.sequence_gaps import SequenceGaps

INPUT_TOPIC = "~/input/pointcloud"


class CloudInput:
    """Counts the clouds received and lost on the way, and jumps of the stamps and of the node's clock."""

    def __init__(
        self,
        node: LifecycleNode,
        health: Health,
        reporter: Reporter,
        received: Callable[[PointCloud2, int], None],
        clock_jumped_back: Callable[[], None],
    ) -> None:
        """received: called with each cloud and a key for its sender."""
        self._node, self._health, self._reporter = node, health, reporter
        self._hand_on, self._clock_jumped_back = received, clock_jumped_back
        self._subscription: Any = None
        self._gaps = SequenceGaps()
        self._senders = Senders(self._publishers)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-JUMP_NS), on_clock_change=False)
        self._jump_handle = node.get_clock().create_jump_callback(backwards, post_callback=self._clock_jumped)

    @property
    def topic(self) -> str | None:
        """The subscribed topic, None while there is no subscription."""
        return None if self._subscription is None else self._subscription.topic_name

    def listen(self) -> None:
        """Subscribe."""
        self._gaps, self._senders = SequenceGaps(), Senders(self._publishers)
        self._subscription = self._node.create_subscription(
            PointCloud2,
            INPUT_TOPIC,
            self._received,  # type: ignore[arg-type]  # rclpy also accepts (message, info)
            NEWEST_ONLY,
            event_callbacks=subscription_events(
                self._node.resolve_topic_name(INPUT_TOPIC), self._node.get_logger().warning
            ),
        )

    def stop(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def close(self) -> None:
        """Stop watching the clock."""
        self._jump_handle.unregister()

    def _received(self, message: PointCloud2, info: dict[str, int]) -> None:
        now_ns, number = time.monotonic_ns(), info["publication_sequence_number"]
        self._health.received(now_ns)
        self._count_lost(number)
        self._hand_on(message, self._sender(message, number, now_ns))

    def _sender(self, message: PointCloud2, number: int, now_ns: int) -> int:
        before = self._senders.count
        key, jumped = self._senders.heard(message.header.frame_id, number, stamp_ns(message.header.stamp), now_ns)
        if jumped:
            self._count_jump("stamps")
        if self._senders.count > max(before, 1) and (count := self._publishers()) > 1:
            self._reporter.warn(
                "senders", f"{count} publishers of clouds on {self.topic}: the clouds of each are paired separately"
            )
        return key

    def _publishers(self) -> int:
        return 0 if self.topic is None else self._node.count_publishers(self.topic)

    def _count_lost(self, sequence_number: int) -> None:
        lost = self._gaps.add(sequence_number)
        # Each publisher counts on its own: with two of them the numbers say nothing.
        if lost and self._publishers() == 1:
            advice = "Start the sender with the Fast DDS profile in the package's config folder; if it has it, this machine is too busy."
            self._reporter.problem(
                "lost", f"{lost} clouds lost on {self.topic} before they reached this node. {advice}", lost
            )

    def _clock_jumped(self, _jump: TimeJump) -> None:
        self._count_jump("the clock")
        self._senders.clock_jumped()
        self._clock_jumped_back()

    def _count_jump(self, what: str) -> None:
        self._health.count("jumps")
        if self._health.may_log("jumps", time.monotonic_ns()):
            self._node.get_logger().info(f"{what} jumped back (a bag that loops?): earlier data is discarded")
