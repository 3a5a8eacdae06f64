"""The command `lidar-vl top`: hands over to the ROS package, which this package does not import. Replaces the process."""

import argparse
import os
import sys
from importlib.util import find_spec
from typing import TypeVar

from lidar_vl_core.foundation.errors import BadRequest

_PROGRAM = "lidar_vl_ros.top"
_NEEDED = ("rclpy", "lidar_vl_ros")

ParserT = TypeVar("ParserT", bound=argparse.ArgumentParser)


def add_top(commands: "argparse._SubParsersAction[ParserT]") -> None:
    """Add it to the commands of the program."""
    top = commands.add_parser(
        "top", help="show the health of the running ROS nodes, every second; needs the ROS package"
    )
    top.set_defaults(run=_top)


def _top(_options: argparse.Namespace) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise BadRequest(
            f"top: expected the ROS package of this software, found no Python package {' and '.join(missing)}. Source ROS's "
            "setup.bash and that of the workspace's install folder, or install the extra `ros`."
        )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", _PROGRAM])  # noqa: S606  our own module
