"""What a node counts and logs: each kind of problem at most once every five seconds, or only once."""

import re
import time
import traceback
from typing import TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode

if TYPE_CHECKING:
    from lidar_vl_ros.health.health import Health


class Reporter:
    """Counts into `health`, and logs."""

    def __init__(self, node: LifecycleNode, health: "Health") -> None:
        self._node, self._health = node, health
        self._told: set[str] = set()

    def count(self, what: str) -> None:
        """Count an outcome without logging it."""
        self._health.count(what)

    def problem(self, what: str, text: str, number: int = 1) -> None:
        """Count an outcome or problem, and log why."""
        self._health.count(what, number, text)
        self.warn(what, text)

    def lasting_problem(self, what: str, text: str) -> None:
        """Count a problem that lasts until somebody fixes it; log each kind once, whatever numbers its text contains."""
        self._health.count(what, problem=text)
        kind = re.sub(r"[\d.]+", "#", text)
        if kind not in self._told:
            self._told.add(kind)
            self.warn(kind, text)

    def fault(self, what: str, error: Exception) -> None:
        """Count an exception and log its traceback."""
        self._health.count(what, problem=repr(error))
        if self._health.may_log(f"{what} {type(error).__name__}", time.monotonic_ns()):
            self._node.get_logger().error("".join(traceback.format_exception(error)))

    def warn(self, kind: str, text: str) -> None:
        """Log without counting, each kind at most once every five seconds."""
        # Not one method for both levels: rclpy raises when a line of code logs at another level than before.
        if self._health.may_log(kind, time.monotonic_ns()):
            self._node.get_logger().warning(text)
