"""Nodes as child processes that are always stopped, in a ROS graph of their own."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.process.transport import large_message_environment

MODULES = {  # of each node; setup.py has them as executables, which a checkout that was not built lacks
    "segmentation_node": "lidar_vl_ros.segmentation_node",
    "detection_node": "lidar_vl_ros.detection_node",
    "perception_node": "lidar_vl_ros.both_tasks_node",
    "bag_player": "lidar_vl_ros.bags.player",
    "bag_recorder": "lidar_vl_ros.bags.recorder",
}
_DOMAINS = 100  # higher domain ids reach into the ports that Linux gives to clients
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class GraphFailed(LidarVlError):
    """A process of the graph ended too early, too late or with an error."""


def clean_up_on_sigterm() -> Any:  # noqa: ANN401  what signal.signal() returns
    """Let SIGTERM leave `with` blocks as an exception does, instead of ending the process at once; returns the old handler."""
    return signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def private_graph_environment() -> dict[str, str]:
    """The environment of processes that see only each other, on this machine."""
    # The whole environment goes along: the ROS wheels find their libraries through it.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("ROS_LOCALHOST_ONLY", "RMW_IMPLEMENTATION")
    }
    return (
        environment
        | large_message_environment()
        | {
            "ROS_DOMAIN_ID": str(1 + os.getpid() % _DOMAINS),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONUNBUFFERED": "1",
        }
    )


class ChildNodes:
    """A context manager: what was started inside is stopped when the block is left, however it is left."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs, self._environment = logs, dict(environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._old_handler: Any = None

    def __enter__(self) -> "ChildNodes":
        self._old_handler = clean_up_on_sigterm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        given_up_s = time.monotonic() + _STOP_TIMEOUT_S
        for child in self._children.values():
            try:
                child.wait(max(given_up_s - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        signal.signal(signal.SIGTERM, self._old_handler)

    def start(self, node: str, remappings: Mapping[str, str] | None = None, **parameters: object) -> None:
        """Start one of MODULES with these parameters; its output goes to <logs>/<node>.log."""
        command = [sys.executable, "-m", MODULES[node], "--ros-args"]
        for source, target in (remappings or {}).items():
            command += ["-r", f"{source}:={target}"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={_yaml(value)}"]
        with (self._logs / f"{node}.log").open("wb") as log:
            self._children[node] = subprocess.Popen(  # noqa: S603  our own modules
                command,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others in order
                preexec_fn=_die_with_parent if sys.platform.startswith("linux") else None,
            )

    def wait(self, node: str, timeout_s: float) -> None:
        """Wait until a process has exited successfully. Raises GraphFailed, with the end of the log, when it or another fails."""
        given_up_s = time.monotonic() + timeout_s
        while self._children[node].poll() is None:
            for other, child in self._children.items():
                if other != node and child.poll() not in (None, 0):
                    raise self._failed(other, f"ended with exit code {child.returncode}")
            if time.monotonic() > given_up_s:
                raise self._failed(node, f"still running after {timeout_s:.0f} s")
            time.sleep(_POLL_S)
        if self._children[node].returncode != 0:
            raise self._failed(node, f"ended with exit code {self._children[node].returncode}")

    def _failed(self, node: str, found: str) -> GraphFailed:
        log = self._logs / f"{node}.log"
        lines = log.read_text(errors="replace").strip().splitlines()
        last = " | ".join(lines[-3:]) or "(nothing)"
        return GraphFailed(
            f"{node}: expected it to do its work, found it {found}. Last lines of its log: {last}. See {log}."
        )


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f"'{item}'" for item in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
