"""Row 14: the lifecycle again and again leaves no thread, no open file and no memory behind."""

import gc
import os
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2

from tests.faults.harness.amount import amount

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"
_ROUNDS = amount(quick=40, long=1000)
_WARM = 20  # rounds until everything that is made once has been made
_MOST_DRIFT_MB = 20


def _rss_mb() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("lidar-vl-helper"))


@pytest.mark.slow
def test_rounds_of_the_lifecycle_leave_no_thread_no_open_file_and_no_memory(
    graph, tiny_package, make_cloud, until, figures
):
    clouds = graph.probe.create_publisher(PointCloud2, INPUT, 10)
    answers: list[PointCloud2] = []
    graph.subscribe(PointCloud2, LABELLED, answers.append, 10)
    node = graph.start(SegmentationNode, model=str(tiny_package), autostart=False)
    threads = _threads()
    for lap in range(_ROUNDS):
        assert graph.transition(NODE, "configure")
        assert graph.transition(NODE, "activate")
        if lap % 5 == 0:
            until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node")
            clouds.publish(make_cloud(np.random.default_rng(lap).uniform(-40, 40, (2000, 3))))
            until(lambda: answers, "an answer")
            answers.clear()
        assert graph.transition(NODE, "deactivate")
        assert graph.transition(NODE, "cleanup")
        if lap == _WARM:
            warm_mb, open_files = _rss_mb(), len(os.listdir("/proc/self/fd"))
    until(lambda: gc.collect() >= 0 and _threads() == threads, "the end of all threads of all rounds")
    # A file that stays open in each round would be one of each; the process itself may open one of its own meanwhile.
    until(lambda: len(os.listdir("/proc/self/fd")) <= open_files + 3, "the end of all open files of all rounds")
    drift_mb = _rss_mb() - warm_mb
    figures.count("lifecycle rounds", _ROUNDS)
    figures.most("MB of RSS more", drift_mb)
    assert drift_mb < _MOST_DRIFT_MB
