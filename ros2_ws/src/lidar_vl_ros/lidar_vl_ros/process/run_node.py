"""One process, one node: allocator, signals, executor and exit code."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadRequest, LidarVlError, shortened
from lidar_vl_ros.parameters.ros_parameters import usage

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_STOP_NOTICED_WITHIN_S = 1.0
_HOW = "Write for example --ros-args -p model:=demo; --help lists the parameters."
_SWITCH_INTERVAL_S = 0.001  # Python's 5 ms would be added to a callback while the worker runs Python code


def run_node(make_node: Callable[[], Node], settings: type[Config], args: list[str] | None = None) -> int:
    """Make a node, spin it until a signal or until it is done, close it; returns the exit code.

    settings: its parameters, for --help.
    A node that ends by itself has a Future `finished` whose result is the exit code. An error while it is made or closed
    gives exit code 2 and one line.
    """
    words = sys.argv[1:] if args is None else args
    if {"-h", "--help"} & set(words):
        sys.stdout.write(usage(make_node.__doc__ or "", settings))
        return 0
    keep_freed_memory()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Ignored before rclpy puts its own handlers on top: launch and the terminal both send SIGINT, and the second one
    # would interrupt the clean-up that the first one started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        _refuse_words_of_no_option(words)
        rclpy.init(args=args)
    except rclpy_implementation.UnknownROSArgsError as error:
        return _refused(BadRequest(f"command line: expected ROS arguments, found {shortened(error)}. {_HOW}"))
    except Exception as error:  # a --params-file that cannot be parsed
        return _refused(error)
    try:
        node = make_node()
        # rclpy now and then loses the wake-up of a signal (1 of 88 in a trial with the player, which has no timer): it would then wait for ever.
        node.create_timer(_STOP_NOTICED_WITHIN_S, lambda: None, clock=Clock(clock_type=ClockType.STEADY_TIME))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
    except Exception as error:
        code = _refused(error) if rclpy.ok() else 0  # told to stop before it began
        rclpy.try_shutdown()
        return code
    code = spin(executor, node)
    try:
        if hasattr(node, "close"):
            node.close()
    except Exception as error:  # e.g. no space left for the end of a recording
        code = _refused(error)
    executor.shutdown(timeout_sec=0.5)
    node.destroy_node()
    rclpy.try_shutdown()
    if getattr(node, "left_behind", False):
        _end_at_once(code)
    return code


def _refuse_words_of_no_option(words: list[str]) -> None:
    """Raise BadRequest for what rclpy would pass over in silence, such as parameters without --ros-args before them."""
    if stray := remove_ros_args(words):
        raise BadRequest(
            f"command line: expected nothing but ROS arguments behind --ros-args, found {shortened(' '.join(stray))}. "
            f"{_HOW}"
        )


def spin(executor: SingleThreadedExecutor, node: Node) -> int:
    """Spin until shutdown or until the node's `finished` is done; returns the exit code.

    A node that has `callback_failed` reports an exception in a callback and continues; any other ends.
    """
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
            if not hasattr(node, "callback_failed"):
                return _refused(error)
            node.callback_failed(error)
    return 0


def keep_freed_memory() -> None:
    """Keep glibc from returning cloud-sized blocks to the system: each would be faulted in again page by page."""
    if not sys.platform.startswith("linux") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def _end_at_once(code: int) -> None:
    """End the process as it is: Python's own end would wait until the compiler lets go of its lock."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _refused(error: Exception) -> int:
    """Say in one line why the process ends; with a traceback only if it is not the user's mistake."""
    logger = get_logger("lidar_vl_ros")
    if not isinstance(error, LidarVlError | rclpy_implementation.RCLError):
        logger.error("".join(traceback.format_exception(error)))
    logger.fatal(" ".join(str(error).split()))
    return 2
