"""Words on the running node: changed while it serves, refused with a reason, told before the first cloud that carries them."""

import json
import threading
from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.segmentation_node import SegmentationNode
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import get_parameter_value
from rclpy.publisher import Publisher
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.vocabulary import load_vocabulary
from ros2_ws.src.lidar_vl_ros.test.tasks.asking_robot import (
    COLOURED,
    LABEL_INFO,
    LABELLED,
    NODE,
    AskingRobot,
    expected_of,
)


@pytest.fixture
def robot(graph, make_cloud, until):
    return AskingRobot(graph, make_cloud, until)


def test_the_cloud_after_the_answer_of_set_has_the_new_words_and_its_classes_are_told_before_it(robot, without_tower):
    robot.serving(without_tower)
    np.testing.assert_array_equal(robot.ask(), expected_of(without_tower))
    assert robot.set(prompts=["car", "tree", "road"]).successful
    np.testing.assert_array_equal(robot.ask(), expected_of(without_tower, ["car", "tree", "road"]))
    own = list(load_vocabulary("nuscenes16").class_table.names)
    assert [(table["names"], table["after_stamp_ns"]) for table in robot.tables] == [
        (own, 0),
        (["car", "tree", "road"], 1),
    ]
    assert robot.set(prompts=[]).successful
    np.testing.assert_array_equal(robot.ask(), expected_of(without_tower))
    assert robot.names[-1] == own


def test_no_cloud_is_lost_while_words_change_and_each_is_of_the_classes_told_before_it(robot, without_tower, until):
    robot.serving(without_tower)
    lists = [["car", "tree"], ["road"], ["tree", "bus", "person"], ["car"]]
    expected = {tuple(words): expected_of(without_tower, words) for words in lists}
    expected[tuple(load_vocabulary("nuscenes16").class_table.names)] = expected_of(without_tower)
    stop = threading.Event()

    def play():
        while not stop.wait(0.02):
            robot.send()
            until(lambda: robot.node.health.counts()["received"] == robot.sent, "the cloud at the node")

    player = threading.Thread(target=play)
    player.start()
    try:
        for words in lists * 3:
            assert robot.set(prompts=words).successful
    finally:
        stop.set()
        player.join()
    counts = until(lambda: (c := robot.node.health.counts())["waiting"] == 0 and c, "the last cloud")
    assert counts["received"] == robot.sent == counts["served"] + counts["replaced"]
    until(lambda: len(robot.answers) == counts["served"], "the last answer")

    def is_of_classes_told_before(answer):
        names = robot.names_of(answer)
        return np.array_equal(decode(answer, ("class_id",)).extra["class_id"], expected[tuple(names)])

    # Words that were set and replaced while one cloud was in work were of no cloud, and are not told.
    until(lambda: all(map(is_of_classes_told_before, robot.answers)), "the classes that every cloud is of")
    until(lambda: robot.names[-1] == ["car"], "the last classes")


@pytest.fixture
def published(monkeypatch) -> list[str]:
    """The topics of all messages of the process, in the order they were published."""
    topics, publish = [], Publisher.publish

    def noted(publisher, message):
        topics.append(publisher.topic_name)
        publish(publisher, message)

    monkeypatch.setattr(Publisher, "publish", noted)
    return topics


def test_a_cloud_in_work_keeps_the_words_it_began_with_and_they_are_told_after_it(
    robot, without_tower, published, until
):
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Segmenter):
        def _run(self, cloud, voxels):
            if cloud.stamp_ns == 1:
                begun.set()
                go_on.wait(30)
            return super()._run(cloud, voxels)

    def slow(settings):
        return Slow(load_model_package(settings.model), threads=1)

    robot.serving(without_tower, make=partial(SegmentationNode, slow))
    robot.send()
    assert begun.wait(30)
    assert robot.set(prompts=["tree", "car"]).successful
    robot.send()
    go_on.set()
    until(lambda: len(robot.answers) == 2, "both clouds")
    old, new = (decode(answer, ("class_id",)).extra["class_id"] for answer in robot.answers)
    np.testing.assert_array_equal(old, expected_of(without_tower))
    np.testing.assert_array_equal(new, expected_of(without_tower, ["tree", "car"]))
    assert [(len(table["names"]), table["after_stamp_ns"]) for table in robot.tables] == [(16, 0), (2, 1)]
    assert [topic for topic in published if topic in (LABEL_INFO, LABELLED)] == [LABEL_INFO, LABELLED] * 2


def test_colours_are_those_of_the_cloud_s_own_words(robot, graph, without_tower, until):
    seen = []
    graph.subscribe(PointCloud2, COLOURED, seen.append, 10)
    robot.serving(without_tower)
    robot.set(prompts=["bus"])
    until(lambda: robot.node.count_subscribers(COLOURED) == 1, "the viewer")
    until(lambda: robot.ask() is not None and seen, "a coloured cloud")
    red, green, blue = robot.tables[-1]["colors_rgb"][0]
    rgb = decode(seen[0], ("rgb",)).extra["rgb"].view(np.uint32)
    assert set(rgb[robot.ask() == 0]) == {red << 16 | green << 8 | blue}


def test_what_the_command_line_sends_is_understood(robot, graph, without_tower):
    robot.serving(without_tower, prompts=None)  # as a parameter file with an empty list leaves it
    for text, names in (("['car','traffic cone','pedestrian']", ["car", "traffic cone", "pedestrian"]), ("[]", None)):
        value = get_parameter_value(text)  # what `ros2 param set` makes of its argument
        request = SetParameters.Request(parameters=[ParameterMessage(name="prompts", value=value)])
        assert graph.call(SetParameters, f"/{NODE}/set_parameters", request).results[0].successful
        robot.ask()
        assert robot.names[-1] == (names or list(load_vocabulary("nuscenes16").class_table.names))


def test_a_late_listener_gets_the_newest_classes(robot, graph, without_tower, until):
    robot.serving(without_tower)
    robot.set(prompts=["car", "bus"])
    late = []
    graph.subscribe(String, LABEL_INFO, late.append, LATCHED)
    until(lambda: late, "the classes")
    assert [json.loads(message.data)["names"] for message in late] == [["car", "bus"]]
