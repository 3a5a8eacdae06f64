"""A detection node with a made-up detector, its sender and its listener."""

from functools import partial

import numpy as np
from lidar_vl_ros.detection_node import DetectionNode
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from lidar_vl_core.clouds.point_cloud2 import decode

NODE = "detection_node"
INPUT, MARKERS, BOXES = (
    f"/{NODE}/{name}" for name in ("input/pointcloud", "output/objects/markers", "output/objects/boxes")
)
S = 1_000_000_000


class DetectingRobot:
    """A sender of clouds and a listener for markers and boxes."""

    def __init__(self, graph, fake_detector, make_cloud, until):
        self._graph, self._detector, self._make_cloud, self._until = graph, fake_detector, make_cloud, until
        self.markers: list[MarkerArray] = []
        self.boxes: list[PointCloud2] = []
        graph.subscribe(MarkerArray, MARKERS, self.markers.append, 50)
        graph.subscribe(PointCloud2, BOXES, self.boxes.append, 50)
        self.clouds = graph.probe.create_publisher(PointCloud2, INPUT, 10)

    def start(self, **parameters):
        self.node = self._graph.start(
            partial(DetectionNode, lambda settings: self._detector), model="made-up", **parameters
        )
        self._until(lambda: self.clouds.get_subscription_count() == 1, "the node's subscription")
        for topic in (MARKERS, BOXES):
            self._until(lambda topic=topic: self.node.count_subscribers(topic) == 1, "the listener")
        return self

    def ask(self, xyz_m=((5, 5, 0), (20, -5, 1)), stamp_ns=S, frame_id="lidar_top"):
        before = len(self.markers), len(self.boxes)
        self.clouds.publish(self._make_cloud(np.array(xyz_m, np.float32), stamp_ns, frame_id))
        self._until(lambda: len(self.markers) > before[0] and len(self.boxes) > before[1], "an answer")
        return self.markers[-1], self.boxes[-1]

    def counted(self, **expected):
        def counts():
            return {name: self.node.health.counts()[name] for name in expected}

        self._until(lambda: counts() == expected, f"{expected}, last {self.node.health.counts()}")


def classes_of(message):
    return decode(message, ("class_id",)).extra["class_id"].tolist()
