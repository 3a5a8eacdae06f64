"""A sender of clouds and a listener for labelled ones."""

from functools import partial

import numpy as np
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"
COLOURED = f"/{NODE}/output/pointcloud/visualization"


class Talk:
    """Publishes clouds to a running node and collects its answers."""

    def __init__(self, graph, until):
        self._graph, self._until = graph, until
        self.answers: list[PointCloud2] = []
        graph.subscribe(PointCloud2, LABELLED, self.answers.append, 50)
        self.publisher = graph.probe.create_publisher(PointCloud2, INPUT, 50)

    def start(self, segmenter=None, **parameters):
        make = SegmentationNode if segmenter is None else partial(SegmentationNode, lambda settings: segmenter)
        self.node = self._graph.start(make, **parameters)
        self.connect()
        return self.node

    def connect(self):
        self._until(lambda: self.publisher.get_subscription_count() == 1, "the node's subscription")
        self._until(lambda: self.node.outputs.wanted(), "the probe's subscription at the node")

    def send(self, message):
        self.publisher.publish(message)

    def ask(self, message):
        before = len(self.answers)
        self.send(message)
        self._until(lambda: len(self.answers) > before, "an answer")
        return self.answers[-1]

    def counted(self, **expected):
        self._until(
            lambda: {name: self.node.health.counts()[name] for name in expected} == expected,
            f"{expected}, last {self.node.health.counts()}",
        )


def random_xyz_m(count, seed=3):
    return np.random.default_rng(seed).uniform(-20, 20, (count, 3)).astype(np.float32)
