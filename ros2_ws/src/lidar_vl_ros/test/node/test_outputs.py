"""Outputs as a node holds them: closed however they were opened, and made only for somebody."""

from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.node.output import Outputs
from lidar_vl_ros.outputs.labelled_cloud import LabelledCloud
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.foundation.errors import BadConfig

NODE = "segmentation_node"


class _Output:
    def __init__(self, listeners: int = 0) -> None:
        self.listeners, self.told, self.closed = listeners, [], 0

    def wanted(self) -> bool:
        return self.listeners > 0

    def publish(self, answer: str) -> None:
        self.told.append(answer)

    def needs_images(self) -> bool:
        return self.listeners > 1

    def close(self) -> None:
        self.closed += 1


def test_outputs_made_before_one_that_refuses_are_closed_once():
    first, outputs = _Output(), Outputs()

    def made():
        yield first
        raise BadConfig("injected")

    with pytest.raises(BadConfig):
        outputs.open(made())
    outputs.close()
    outputs.close()
    assert first.closed == 1


def test_all_outputs_are_told_while_one_of_them_is_wanted():
    quiet, heard, outputs = _Output(), _Output(listeners=1), Outputs()
    assert not outputs.wanted()
    outputs.open([quiet, heard])
    assert outputs.wanted()
    outputs.publish("answer")
    assert (quiet.told, heard.told) == (["answer"], ["answer"])
    assert not outputs.needs_images()
    quiet.listeners = 2
    assert outputs.needs_images()
    outputs.close()
    outputs.publish("too late")
    assert not outputs.wanted()
    assert heard.told == ["answer"]


def test_a_cloud_is_not_built_for_a_topic_without_listeners(graph, fake_segmenter, make_cloud, monkeypatch, until):
    def built(self, answer):
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(LabelledCloud, "message", built)
    clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
    node = graph.start(partial(SegmentationNode, lambda settings: fake_segmenter))
    seen: list[PointCloud2] = []
    graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/visualization", seen.append, 10)
    until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node")
    clouds.publish(make_cloud(np.ones((3, 3))))
    until(lambda: seen, "the coloured cloud")
    until(lambda: node.health.counts()["served"] == 1, "the served cloud")


def test_topics_are_there_while_the_node_is_configured(graph, fake_segmenter, until):
    topic = f"/{NODE}/output/pointcloud/segmentation"
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), autostart=False)
    for _ in range(2):
        assert graph.probe.count_publishers(topic) == 0
        assert graph.transition(NODE, "configure")
        until(lambda: graph.probe.count_publishers(topic) == 1, "the topic")
        assert graph.transition(NODE, "cleanup")
        until(lambda: graph.probe.count_publishers(topic) == 0, "its end")
