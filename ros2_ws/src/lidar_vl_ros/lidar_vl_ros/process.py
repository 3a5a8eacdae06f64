"""One process, one node: allocator, signals, executor and exit code."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node

from lidar_vl_core.errors import LidarVlError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_SWITCH_INTERVAL_S = 0.001  # Python's 5 ms would be added to a callback while the worker runs Python code


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Make a node, spin it until a signal or until its `finished` future is done, and return the exit code.

    A node that ends by itself has a Future `finished` whose result is the exit code. LidarVlError while it is made
    ends with 2 and one line.
    """
    keep_freed_memory()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Ignored before rclpy puts its own handlers on top: launch and the terminal both send SIGINT, and the second one
    # would interrupt the clean-up that the first one started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        rclpy.init(args=args)
        node = make_node()
    except Exception as error:  # a wrong --params-file or parameter arrives here in many types
        if not isinstance(error, LidarVlError):
            get_logger("lidar_vl_ros").debug(traceback.format_exc())
        get_logger("lidar_vl_ros").fatal(" ".join(str(error).split()))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        return spin(executor, node)
    finally:
        if hasattr(node, "close"):
            node.close()
        executor.shutdown(timeout_sec=0.5)
        node.destroy_node()
        rclpy.try_shutdown()


def spin(executor: SingleThreadedExecutor, node: Node) -> int:
    """Spin until shutdown; an exception in a callback is logged with its traceback and survived."""
    finished = getattr(node, "finished", None)
    while node.context.ok():
        try:
            if finished is None:
                executor.spin()
            else:
                executor.spin_until_future_complete(finished)
                if finished.done():
                    return int(finished.result())
        except (ExternalShutdownException, KeyboardInterrupt):
            break
        except Exception as error:
            if not node.context.ok():
                break  # shutdown came while a callback was publishing
            survived = getattr(node, "callback_failed", None)
            survived(error) if survived else node.get_logger().error(traceback.format_exc())
    return 0


def keep_freed_memory() -> None:
    """Keep glibc from returning cloud-sized blocks to the system: each would be faulted in again page by page."""
    if not sys.platform.startswith("linux") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)
