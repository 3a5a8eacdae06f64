"""Nodes as processes of their own, in a domain that nobody else uses."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lidar_vl_ros.process.transport import large_message_environment

from ros2_ws.src.lidar_vl_ros.test.process.node_process import Process, write_small_bag

_domains = itertools.count()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start nodes in a domain of their own; what still runs at the end of the test is killed."""
    # 1..99 are safe on every system; parallel runs differ by their process id.
    domain = 1 + (os.getpid() * 7 + next(_domains)) % 99
    environment = os.environ | large_message_environment()
    environment |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1"}
    processes: list[Process] = []

    def start(
        node: str, remaps: dict[str, str] | None = None, variables: dict[str, str] | None = None, **parameters: object
    ) -> Process:
        processes.append(Process(node, parameters, remaps or {}, environment | (variables or {})))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def small_bag(tmp_path: Path) -> Path:
    return write_small_bag(tmp_path / "small.mcap")
