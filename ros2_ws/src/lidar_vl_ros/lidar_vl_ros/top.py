"""What `lidar-vl top` runs: the health of all nodes in a terminal, redrawn every second. Prints."""

import os
import shutil
import sys
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_ros.health.summary import SUMMARY_TOPIC, Summary, read_summary
from lidar_vl_ros.health.top_text import top_text
from lidar_vl_ros.messages.qos import LATCHED

_PERIOD_S = 1.0
_FIRST_TIMEOUT_S = 6.0  # discovery takes up to five
_HOME_AND_CLEAR = "\x1b[H\x1b[2J"
_TITLE = "lidar-vl top: the nodes of this ROS domain, every second. Ctrl-C ends it.\n\n"
_SUFFIX = SUMMARY_TOPIC.removeprefix("~")


class SummaryListener(Node):
    """Receives the latched summary of every node, including those that start later."""

    def __init__(self, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(f"lidar_vl_top_{os.getpid()}", **node_options)
        self._heard: dict[str, tuple[Summary, float]] = {}
        self._topics: dict[str, Any] = {}
        self.create_timer(_PERIOD_S / 2, self._look_for_nodes)

    def heard(self) -> list[tuple[Summary, float]]:
        """Each node's last summary, and its age in seconds."""
        now_s = time.monotonic()
        return [(summary, now_s - then_s) for summary, then_s in list(self._heard.values())]

    def _look_for_nodes(self) -> None:
        for topic, kinds in self.get_topic_names_and_types():
            if topic.endswith(_SUFFIX) and "std_msgs/msg/String" in kinds and topic not in self._topics:
                self._topics[topic] = self.create_subscription(String, topic, self._told, LATCHED)

    def _told(self, message: String) -> None:
        try:
            summary = read_summary(message.data)
        except BadRequest:  # a topic of this name that is not ours
            return
        self._heard[summary.node] = summary, time.monotonic()


def main() -> int:
    """Draw until Ctrl-C; if the output is not a terminal, print once. Returns 2 if no node is found then."""
    rclpy.init()
    listener = SummaryListener()
    try:
        return _draw(listener) if sys.stdout.isatty() else _print_once(listener)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        listener.destroy_node()
        rclpy.try_shutdown()


def _draw(listener: SummaryListener) -> int:
    while True:
        _spin_until(listener, time.monotonic() + _PERIOD_S)
        text = top_text(listener.heard(), shutil.get_terminal_size().columns, colours=True)
        sys.stdout.write(f"{_HOME_AND_CLEAR}{_TITLE}{text}")
        sys.stdout.flush()


def _print_once(listener: SummaryListener) -> int:
    given_up_s = time.monotonic() + _FIRST_TIMEOUT_S
    while not listener.heard() and time.monotonic() < given_up_s:
        _spin_until(listener, time.monotonic() + 0.1)
    _spin_until(listener, time.monotonic() + _PERIOD_S)  # the others
    sys.stdout.write(top_text(listener.heard(), 1000, colours=False))
    return 0 if listener.heard() else 2


def _spin_until(listener: SummaryListener, end_s: float) -> None:
    while (left_s := end_s - time.monotonic()) > 0:
        rclpy.spin_once(listener, timeout_sec=left_s)


if __name__ == "__main__":
    sys.exit(main())
