"""What a node reports about itself every second: diagnostics, and a latched summary of them."""

import os
import time
from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_ros.health.camera_health import cameras_report
from lidar_vl_ros.health.health import Health, Report
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.health.memory_health import MemoryHealth
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.health.summary import SUMMARY_TOPIC, summary_text
from lidar_vl_ros.health.verdicts import verdicts
from lidar_vl_ros.messages.publishers import told_publishers
from lidar_vl_ros.messages.qos import LATCHED

_PERIOD_S = 1.0
_CAMERA = "camera "  # how reports on single cameras begin


class Diagnostics:
    """Publishes in every lifecycle state, including those in which the node does not serve."""

    def __init__(
        self,
        node: LifecycleNode,
        health: Health,
        reporter: Reporter,
        listening_to: Callable[[], str | None],
        others: Callable[[int], Iterable[tuple[str, Report]]],
        steady: Clock,
    ) -> None:
        """listening_to: name of the input topic while it is subscribed to. others: further reports at a given time, by name."""
        self._node, self._health, self._reporter = node, health, reporter
        self._listening_to, self._others = listening_to, others
        self.memory = MemoryHealth()
        self._summary = node.create_publisher(String, SUMMARY_TOPIC, LATCHED)
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(_PERIOD_S, self._report, clock=steady)

    def _report(self) -> None:
        now_ns = time.monotonic_ns()
        self._watch_input(now_ns)
        reports = self._reports(now_ns)
        message = DiagnosticArray(status=[self._status(name, each) for name, each in reports.items()])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
        self._summary.publish(String(data=summary_text(self._node.get_fully_qualified_name(), reports)))

    def _reports(self, now_ns: int) -> dict[str, Report]:
        """Input, transport, processing, cameras, tf and memory, then any further reports."""
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
            self._reporter.warn(
                "silent",
                f"no input for {silent_s:.0f} s: topic {topic}, {told_publishers(self._node, topic, CLOUD_TYPE)}. "
                "Remap ~/input/pointcloud to the LiDAR's topic, or check the driver.",
            )


def _profile() -> str:
    """The Fast DDS profile of this process; the sender's is the one that matters."""
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    return next((os.environ[name] for name in names if os.environ.get(name)), "none")
