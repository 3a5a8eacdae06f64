"""A node that is asked for words while clouds come, and what the core says of the same cloud."""

import json

import numpy as np
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.segmentation_node import SegmentationNode
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"
COLOURED, LABEL_INFO = f"/{NODE}/output/pointcloud/visualization", f"/{NODE}/output/label_info"

# Latched like the topic; deeper than it, so that no table is replaced before a busy listener has read it.
EVERY_TABLE = QoSProfile(depth=50, reliability=LATCHED.reliability, durability=LATCHED.durability)
XYZ_M = np.random.default_rng(4).uniform((-20, -20, -2), (20, 20, 2), (400, 3)).astype(np.float32)
VOCABULARY = "name: street\nclasses:\n- name: vehicle\n  prompts: [car, red car]\n- name: plant\n  prompts: [tree]\n"


class AskingRobot:
    """A node, a sender and a listener that keeps every cloud and every table of classes in the order they came."""

    def __init__(self, graph, make_cloud, until):
        self._graph, self._make_cloud, self._until = graph, make_cloud, until
        self.answers: list[PointCloud2] = []
        self.tables: list[dict] = []
        graph.subscribe(PointCloud2, LABELLED, self.answers.append, 50)
        graph.subscribe(String, LABEL_INFO, lambda message: self.tables.append(json.loads(message.data)), EVERY_TABLE)
        self.clouds = graph.probe.create_publisher(PointCloud2, INPUT, 50)
        self.sent = 0

    def start(self, model, make=SegmentationNode, **parameters):
        self.node = self._graph.start(make, model=str(model), threads=1, **parameters)
        return self.node

    def serving(self, model, **options):
        self.start(model, **options)
        self._until(lambda: self.clouds.get_subscription_count() == 1 and self.node.outputs.wanted(), "the node")
        return self

    def send(self):
        self.sent += 1
        self.clouds.publish(self._make_cloud(XYZ_M, stamp_ns=self.sent))

    def ask(self):
        """The classes of one more cloud."""
        self.send()
        number = self.sent
        found = lambda: [message for message in self.answers if message.header.stamp.nanosec == number]  # noqa: E731
        return decode(self._until(found, f"cloud {number}")[0], ("class_id",)).extra["class_id"]

    def set(self, **values):
        results = [self._graph.set_parameter(NODE, name, value) for name, value in values.items()]
        return results[-1]

    def set_together(self, **values):
        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParametersAtomically.Request(parameters=messages)
        return self._graph.call(SetParametersAtomically, f"/{NODE}/set_parameters_atomically", request).result

    def reload(self):
        return self._graph.call(Trigger, f"/{NODE}/reload_vocabulary", Trigger.Request())

    @property
    def names(self):
        return [table["names"] for table in self.tables]

    def names_of(self, answer):
        """The classes of a cloud, as a listener tells them whose two topics overtake each other."""
        stamp = answer.header.stamp.nanosec
        return [table["names"] for table in self.tables if table["after_stamp_ns"] < stamp][-1]


def expected_of(package, words=None):
    """What the core says of the same cloud."""
    from lidar_vl_core.clouds.point_cloud import PointCloud

    segmenter = Segmenter(load_model_package(package), threads=1)
    if words is not None:
        segmenter.set_words(words)
    cloud = PointCloud(XYZ_M, np.full(len(XYZ_M), 0.25, np.float32), 1, "lidar")
    return segmenter.segment(cloud).class_id
