"""What a node tells about itself: diagnostics and a latched summary every second, each kind of trouble once in five seconds or once at all."""

import os
import re
import time
import traceback
from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lidar_vl_ros.health.camera_health import cameras_report
from lidar_vl_ros.health.health import Health, Report
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.health.memory_health import MemoryHealth
from lidar_vl_ros.health.summary import SUMMARY_TOPIC, summary_text
from lidar_vl_ros.health.verdicts import verdicts
from lidar_vl_ros.messages.qos import LATCHED

_PERIOD_S = 1.0
_CAMERA = "camera "  # how reports on single cameras begin


class Reporter:
    """Counts into `health`, logs, and publishes /diagnostics; also in states in which the node does not serve."""

    def __init__(
        self,
        node: LifecycleNode,
        health: Health,
        listening_to: Callable[[], str | None],
        others: Callable[[int], Iterable[tuple[str, Report]]],
        steady: Clock,
    ) -> None:
        """listening_to: name of the input topic while there is a subscription. others: further reports at a time, by name."""
        self._node, self._health, self._listening_to, self._others = node, health, listening_to, others
        self.memory = MemoryHealth()
        self._summary = node.create_publisher(String, SUMMARY_TOPIC, LATCHED)
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(_PERIOD_S, self._report, clock=steady)
        self._told: set[str] = set()

    def count(self, what: str) -> None:
        """Count an outcome that needs no words."""
        self._health.count(what)

    def problem(self, what: str, text: str, number: int = 1) -> None:
        """Count an outcome or trouble, and log why."""
        self._health.count(what, number, text)
        self.warn(what, text)

    def lasting_problem(self, what: str, text: str) -> None:
        """Count trouble that stays until somebody mends it, and log each kind of it once, whatever numbers it has."""
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
        """Log what is not counted, each kind once in five seconds."""
        # Not one method for both levels: rclpy raises when a line of code logs at another level than before.
        if self._health.may_log(kind, time.monotonic_ns()):
            self._node.get_logger().warning(text)

    def _report(self) -> None:
        now_ns = time.monotonic_ns()
        self._watch_input(now_ns)
        reports = self._reports(now_ns)
        message = DiagnosticArray(status=[self._status(name, each) for name, each in reports.items()])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
        self._summary.publish(String(data=summary_text(self._node.get_fully_qualified_name(), reports)))

    def _reports(self, now_ns: int) -> dict[str, Report]:
        """Input, transport, processing, cameras, tf and memory, then what else there is to tell."""
        state, topic = state_label(self._node), self._listening_to()
        found = self._health.since_last_report(now_ns, "warming up" if state == "active" and topic is None else state)
        reports, others = dict(verdicts(found)), dict(self._others(now_ns))
        if topic is not None:
            publishers = self._node.count_publishers(topic)
            reports["transport"].values.update(topic=topic, publishers=str(publishers), profile=_profile())
        cameras = {name: report for name, report in others.items() if name.startswith(_CAMERA)}
        together = others.get("cameras") or cameras_report(cameras, found.counts["unpaired"])
        tf = reports.pop("tf")
        return {**reports, "cameras": together, "tf": tf, "memory": self.memory.report()} | others

    def _status(self, name: str, report: Report) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([report.level]),
            name=f"{self._node.get_name()}: {name}",
            message=report.message,
            hardware_id=self._node.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
        )

    def _watch_input(self, now_ns: int) -> None:
        topic, silent_s = self._listening_to(), self._health.silent_s(now_ns)
        if topic is not None and silent_s is not None:
            self.warn(
                "silent",
                f"no input for {silent_s:.0f} s: topic {topic}, {self._node.count_publishers(topic)} publishers. "
                "Remap ~/input/pointcloud to the LiDAR's topic, or check the driver.",
            )


def _profile() -> str:
    """The Fast DDS profile of this process; it is the sender's that decides."""
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    return next((os.environ[name] for name in names if os.environ.get(name)), "none")
