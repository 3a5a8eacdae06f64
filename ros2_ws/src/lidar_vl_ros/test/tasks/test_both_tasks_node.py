"""Segmentation and detection in one node: one decoding, one pairing, and boxes that carry what segmentation says."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from lidar_vl_ros.both_tasks_node import BothTasksNode
from lidar_vl_ros.tasks.task_node import TaskNode
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.point_cloud2 import decode

NODE = "perception_node"
LABELLED, BOXES, MARKERS = (
    f"/{NODE}/output/{name}" for name in ("pointcloud/segmentation", "objects/boxes", "objects/markers")
)
# Four points in the car (classes 0 to 3 of the made-up segmenter), then one in the cyclist (class 4), one outside.
XYZ_M = np.array([[5, 5, 0.5], [5.1, 5, 0.5], [5, 5.1, 0.5], [5, 5, 0.6], [20, -5, 1], [40, 40, 0]], np.float32)


@pytest.fixture
def robot(graph, fake_segmenter, fake_detector, make_cloud, until):
    class Robot:
        def __init__(self):
            self.heard = {LABELLED: [], BOXES: [], MARKERS: []}
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)

        def start(self, *topics, **parameters):
            for topic in topics:
                kind = MarkerArray if topic == MARKERS else PointCloud2
                graph.subscribe(kind, topic, self.heard[topic].append, 50)
            make = partial(BothTasksNode, lambda settings: fake_segmenter, lambda settings: fake_detector)
            self.node = graph.start(make, **{"detection.model": "made-up", **parameters})
            until(lambda: self.clouds.get_subscription_count() == 1, "the node's subscription")
            for topic in topics:
                until(lambda topic=topic: self.node.count_subscribers(topic) == 1, "the listener")
            until(self.node.outputs.wanted, "the listener")
            self.topics = topics
            return self

        def ask(self, xyz_m=XYZ_M, stamp_ns=1_000_000_000):
            before = {topic: len(self.heard[topic]) for topic in self.topics}
            self.clouds.publish(make_cloud(xyz_m, stamp_ns))
            until(lambda: all(len(self.heard[topic]) > before[topic] for topic in self.topics), "all answers")
            return [self.heard[topic][-1] for topic in self.topics]

    return Robot()


def test_one_decoding_serves_both_tasks_and_boxes_carry_the_majority_of_their_points(
    robot, fake_segmenter, fake_detector, monkeypatch, until
):
    decoded = []
    healthy = CloudDecoder.decode
    monkeypatch.setattr(CloudDecoder, "decode", lambda self, message: decoded.append(1) or healthy(self, message))
    labelled, boxes, markers = robot.start(LABELLED, BOXES, MARKERS).ask()
    assert len(decoded) == 1
    assert labelled.header == boxes.header == markers.markers[0].header
    cloud = decode(boxes, ("class_id", "segmentation_class_id", "segmentation_share"))
    assert cloud.extra["class_id"].tolist() == [fake_detector.classes.id_of(name) for name in ("Cyclist", "Car")]
    assert cloud.extra["segmentation_class_id"].tolist() == [4, 0]
    assert cloud.extra["segmentation_share"].tolist() == [1.0, 0.25]
    names = fake_segmenter.classes.names
    texts = [marker.text for marker in markers.markers if marker.text]
    assert texts == [
        f"Cyclist 0.90, 5.0 m/s\nsegmentation: {names[4]} 100 %",
        f"Car 0.50\nsegmentation: {names[0]} 25 %",
    ]
    until(lambda: robot.node.health.counts()["served"] == 1, "one served cloud")


def test_detection_is_not_run_for_those_who_want_labels_only(robot, fake_detector):
    robot.start(LABELLED).ask()
    assert fake_detector.seen == []


def test_an_empty_cloud_is_answered_by_both(robot):
    labelled, boxes, markers = robot.start(LABELLED, BOXES, MARKERS).ask(np.zeros((0, 3), np.float32))
    assert (labelled.width, boxes.width, len(markers.markers)) == (0, 0, 1)


def test_each_task_s_parameters_stand_below_its_name_and_may_change_while_the_node_serves(robot, graph, fake_detector):
    robot.start(BOXES, **{"detection.classes.Car.min_score": 0.2, "detection.min_score": 0.95})
    (boxes,) = robot.ask()
    assert decode(boxes, ("class_id",)).extra["class_id"].tolist() == [fake_detector.classes.id_of("Car")]
    assert graph.set_parameter(NODE, "detection.min_score", 0.6).successful
    assert robot.ask(stamp_ns=2_000_000_000)[0].width == 2
    assert not graph.set_parameter(NODE, "detection.sweeps", 2).successful
    result = graph.set_parameter(NODE, "segmentation.prompts", ["car"])
    assert not result.successful  # the made-up segmenter knows no words
    assert not graph.set_parameter(NODE, "detection.min_score", 2.0).successful


@pytest.mark.parametrize(
    ("unused", "topics"), [("use_segmentation", [BOXES]), ("use_detection", [LABELLED])], ids=["boxes", "labels"]
)
def test_a_task_that_is_not_used_is_not_loaded_and_offers_no_topics(robot, graph, until, unused, topics):
    robot.start(*topics, **{unused: False, f"{unused.removeprefix('use_')}.model": "/nowhere"})
    robot.ask()
    (silent,) = {LABELLED, BOXES} - set(topics)
    assert graph.probe.count_publishers(silent) == 0
    until(lambda: robot.node.health.counts()["served"] == 1, "one served cloud")


def test_a_node_with_no_task_at_all_is_refused(graph, fake_segmenter, fake_detector):
    make = partial(BothTasksNode, lambda settings: fake_segmenter, lambda settings: fake_detector)
    graph.start(make, use_segmentation=False, use_detection=False)
    assert graph.logs("use_segmentation, use_detection: expected at least one to be true")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((None, None), None),
        (("", None), ""),
        (("", "/odom"), "/odom"),
        ((None, "/odom"), "/odom"),
        (("/a", "/b"), "/a"),
    ],
)
def test_motion_is_told_by_the_first_topic_a_task_names_else_by_tf_where_one_asks(asked, told):
    tasks = [(SimpleNamespace(motion_told_by=lambda topic=topic: topic), None) for topic in asked]
    settings = SimpleNamespace(motion_needed=False)  # by the node itself
    assert TaskNode.motion_told_by(SimpleNamespace(_used=tasks, settings=settings)) == told
