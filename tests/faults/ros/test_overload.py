"""Row 15: clouds that come faster than the real segmenter answers: the newest is served, the others are counted exactly."""

import time

import numpy as np
import pytest
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.foundation.stamps import stamp_ns
from tests.faults.harness.amount import amount

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"
_SECONDS = amount(quick=2, long=60)
_FEWEST_ANSWERS = 10  # for a latency
_LONGEST_S = 120  # on a machine that does much else
_PERIOD_S = 0.02
_POINTS = 40_000


@pytest.mark.slow
def test_under_a_flood_the_newest_cloud_is_served_and_every_other_counted(graph, make_cloud, until, figures):
    clouds = graph.probe.create_publisher(PointCloud2, INPUT, 10)
    answers: list[tuple[float, float]] = []  # stamp and arrival, s
    graph.subscribe(
        PointCloud2, LABELLED, lambda told: answers.append((stamp_ns(told.header.stamp) / 1e9, time.time())), 10
    )
    node = graph.start(SegmentationNode, model="demo")
    until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node", 120.0)
    message = make_cloud(np.random.default_rng(0).uniform([-40, -40, -2], [40, 40, 2], (_POINTS, 3)))
    sent, most_waiting, began_s = 0, 0, time.monotonic()
    while (took_s := time.monotonic() - began_s) < _SECONDS or (len(answers) < _FEWEST_ANSWERS and took_s < _LONGEST_S):
        message.header.stamp = time_message(time.time_ns())
        clouds.publish(message)
        sent += 1
        most_waiting = max(most_waiting, node.health.counts()["waiting"])
        time.sleep(_PERIOD_S)
    until(lambda: node.health.counts()["waiting"] == 0, "the end of all work")
    counts = node.health.counts()
    until(lambda: len(answers) == counts["served"], "all answers")
    figures.count("clouds in a flood", sent)
    figures.count("served", counts["served"])
    figures.count("replaced", counts["replaced"])
    figures.count("lost in the transport", counts["lost"])
    assert counts["received"] + counts["lost"] == sent
    assert counts["received"] == counts["served"] + counts["replaced"]
    assert counts["replaced"] > 0
    assert most_waiting <= 3  # one in work, one in the mailbox, one that is being handed over to take its place
    waits = _ages_in_inferences(answers)
    figures.most("times an inference is the latency, p99", np.quantile(waits, 0.99))
    assert np.quantile(waits, 0.99) < 2.5  # one that runs, its own, and the way there


def _ages_in_inferences(answers: list[tuple[float, float]]) -> np.ndarray:
    """Latency of each answer in inferences of its time: the distance between answers, as the node never rests."""
    stamps_s, arrivals_s = np.array(answers).T
    took_s = np.diff(arrivals_s)
    return (arrivals_s[2:] - stamps_s[2:]) / np.maximum((took_s[1:] + took_s[:-1]) / 2, 1e-3)
