"""Health check for containers, whether a running node reports no error: python -m lidar_vl_ros.process.health_check [seconds to listen]."""

import sys
import time
from collections.abc import Sequence

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from lidar_vl_core.commands.program.command_line import CommandLine

OURS = ("segmentation_node", "detection_node", "perception_node")
_LISTEN_S = 8.0  # nodes report every second; the rest is discovery


def health_problem(context: Context, listen_s: float) -> str:
    """What is wrong with the first of our nodes heard on /diagnostics; empty if nothing is.

    listen_s: how long to wait for one, in seconds.
    """
    heard: list[DiagnosticStatus] = []
    node = Node("lidar_vl_health_check", context=context, start_parameter_services=False)
    node.create_subscription(DiagnosticArray, "/diagnostics", lambda message: heard.extend(_of_ours(message)), 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    end_s = time.monotonic() + listen_s
    while not heard and (left_s := end_s - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left_s)
    executor.shutdown()
    node.destroy_node()
    if not heard:
        return (
            f"/diagnostics: expected one of {', '.join(OURS)} within {listen_s:g} s, found none. Is the node running?"
        )
    wrong = [f"{each.name}: {each.message}" for each in heard if each.level == DiagnosticStatus.ERROR]
    return "; ".join(wrong)


def _of_ours(message: DiagnosticArray) -> list[DiagnosticStatus]:
    return [status for status in message.status if status.name.partition(":")[0] in OURS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if one of our nodes is healthy, else 1 and prints why not in one line."""
    parser = CommandLine(
        prog="python -m lidar_vl_ros.process.health_check", description="Tell whether a running node reports an error."
    )
    parser.add_argument(
        "listen_s",
        type=float,
        nargs="?",
        default=_LISTEN_S,
        metavar="SECONDS",
        help=f"time to listen (default: {_LISTEN_S:g})",
    )
    options = parser.parse_args(arguments)
    context = Context()
    rclpy.init(context=context)
    problem = health_problem(context, options.listen_s)
    rclpy.shutdown(context=context)
    print(problem or "well")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
