"""Words on the running node: changed while it serves, refused with a reason, told before the first cloud that carries them."""

import json
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.segmentation_node import SegmentationNode, open_segmenter
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, get_parameter_value
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.vocabulary import load_vocabulary

NODE = "segmentation_node"
INPUT, LABELLED = f"/{NODE}/input/pointcloud", f"/{NODE}/output/pointcloud/segmentation"
COLOURED, LABEL_INFO = f"/{NODE}/output/pointcloud/visualization", f"/{NODE}/output/label_info"

# Latched like the topic; deeper than it, so that no table is replaced before a busy listener has read it.
EVERY_TABLE = QoSProfile(depth=50, reliability=LATCHED.reliability, durability=LATCHED.durability)
XYZ_M = np.random.default_rng(4).uniform((-20, -20, -2), (20, 20, 2), (400, 3)).astype(np.float32)
VOCABULARY = "name: street\nclasses:\n- name: vehicle\n  prompts: [car, red car]\n- name: plant\n  prompts: [tree]\n"


@pytest.fixture(scope="module")
def with_tower(tmp_path_factory) -> Path:
    """A package that knows the prompts of nuscenes16, and a few more words by its text tower."""
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("with_tower") / "package").path


@pytest.fixture(scope="module")
def without_tower(tmp_path_factory) -> Path:
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("plain") / "package", with_encoder=False).path


@pytest.fixture
def robot(graph, make_cloud, until):
    """A node, a sender and a listener that keeps every cloud and every table of classes in the order they came."""

    class Robot:
        def __init__(self):
            self.answers: list[PointCloud2] = []
            self.tables: list[dict] = []
            graph.subscribe(PointCloud2, LABELLED, self.answers.append, 50)
            graph.subscribe(
                String, LABEL_INFO, lambda message: self.tables.append(json.loads(message.data)), EVERY_TABLE
            )
            self.clouds = graph.probe.create_publisher(PointCloud2, INPUT, 50)
            self.sent = 0

        def start(self, model, make=SegmentationNode, **parameters):
            self.node = graph.start(make, model=str(model), threads=1, **parameters)
            return self.node

        def serving(self, model, **options):
            self.start(model, **options)
            until(lambda: self.clouds.get_subscription_count() == 1 and self.node.outputs.wanted(), "the node")
            return self

        def send(self):
            self.sent += 1
            self.clouds.publish(make_cloud(XYZ_M, stamp_ns=self.sent))

        def ask(self):
            """The classes of one more cloud."""
            self.send()
            number = self.sent
            found = lambda: [message for message in self.answers if message.header.stamp.nanosec == number]  # noqa: E731
            return decode(until(found, f"cloud {number}")[0], ("class_id",)).extra["class_id"]

        def set(self, **values):
            results = [graph.set_parameter(NODE, name, value) for name, value in values.items()]
            return results[-1]

        def set_together(self, **values):
            messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
            request = SetParametersAtomically.Request(parameters=messages)
            return graph.call(SetParametersAtomically, f"/{NODE}/set_parameters_atomically", request).result

        def reload(self):
            return graph.call(Trigger, f"/{NODE}/reload_vocabulary", Trigger.Request())

        @property
        def names(self):
            return [table["names"] for table in self.tables]

        def names_of(self, answer):
            """The classes of a cloud, as a listener tells them whose two topics overtake each other."""
            stamp = answer.header.stamp.nanosec
            return [table["names"] for table in self.tables if table["after_stamp_ns"] < stamp][-1]

    return Robot()


def _expected(package, words=None):
    """What the core says of the same cloud."""
    from lidar_vl_core.clouds.point_cloud import PointCloud

    segmenter = Segmenter(load_model_package(package), threads=1)
    if words is not None:
        segmenter.set_words(words)
    cloud = PointCloud(XYZ_M, np.full(len(XYZ_M), 0.25, np.float32), 1, "lidar")
    return segmenter.segment(cloud).class_id


def test_the_cloud_after_the_answer_of_set_has_the_new_words_and_its_classes_are_told_before_it(robot, without_tower):
    robot.serving(without_tower)
    np.testing.assert_array_equal(robot.ask(), _expected(without_tower))
    assert robot.set(prompts=["car", "tree", "road"]).successful
    np.testing.assert_array_equal(robot.ask(), _expected(without_tower, ["car", "tree", "road"]))
    own = list(load_vocabulary("nuscenes16").class_table.names)
    assert [(table["names"], table["after_stamp_ns"]) for table in robot.tables] == [
        (own, 0),
        (["car", "tree", "road"], 1),
    ]
    assert robot.set(prompts=[]).successful
    np.testing.assert_array_equal(robot.ask(), _expected(without_tower))
    assert robot.names[-1] == own


def test_no_cloud_is_lost_while_words_change_and_each_is_of_the_classes_told_before_it(robot, without_tower, until):
    robot.serving(without_tower)
    lists = [["car", "tree"], ["road"], ["tree", "bus", "person"], ["car"]]
    expected = {tuple(words): _expected(without_tower, words) for words in lists}
    expected[tuple(load_vocabulary("nuscenes16").class_table.names)] = _expected(without_tower)
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
    np.testing.assert_array_equal(old, _expected(without_tower))
    np.testing.assert_array_equal(new, _expected(without_tower, ["tree", "car"]))
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


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("car", "a list"),
        ([1, 2], "expected text"),
        (True, "a list"),
        ([""], "expected words to look for"),
        (["car", "  "], "expected words to look for"),
        (["car", "car"], "car twice"),
        ([f"prompt {number}" for number in range(300)], "at most 255"),
        (["car", "unicorn"], "expected words of the text table"),
        (None, "expected a value"),
    ],
)
def test_prompts_that_cannot_be_are_refused_and_the_words_stay(robot, without_tower, value, reason):
    robot.serving(without_tower, prompts=["car", "tree"])
    before = robot.ask()
    result = robot.set(prompts=value)
    assert not result.successful
    assert reason in result.reason
    np.testing.assert_array_equal(robot.ask(), before)
    assert robot.names == [["car", "tree"]]
    assert robot.node.get_parameter("prompts").value == ["car", "tree"]


def test_unknown_words_are_refused_by_naming_those_known_unless_there_is_a_text_tower(
    robot, graph, without_tower, with_tower
):
    robot.start(without_tower, autostart=False)
    assert graph.transition(NODE, "configure")
    result = robot.set(prompts=["excavator", "unicorn", "griffin"])
    assert "found 'unicorn', 'griffin'" in result.reason
    assert "traffic cone" in result.reason
    assert "has no text encoder" in result.reason
    assert graph.transition(NODE, "cleanup")
    assert robot.set(model=str(with_tower)).successful
    assert graph.transition(NODE, "configure")
    assert robot.set(prompts=["excavator", "red dog"]).successful
    result = robot.set(prompts=["unicorn"])
    assert not result.successful
    assert "unicorn" in result.reason


def test_words_can_be_set_in_every_state_and_a_wrong_one_set_before_configure_is_refused_there(
    robot, graph, without_tower, until
):
    robot.start(without_tower, autostart=False)
    assert robot.set(prompts=["unicorn"]).successful  # nobody knows the model yet
    assert not graph.transition(NODE, "configure")
    graph.logs("unicorn")
    assert robot.set(prompts=["car"]).successful
    assert graph.transition(NODE, "configure")
    until(lambda: robot.names == [["car"]], "the classes")
    assert robot.set(prompts=["bus"]).successful
    until(lambda: robot.names == [["car"], ["bus"]], "the classes, told while inactive")
    assert graph.transition(NODE, "activate")
    until(lambda: robot.clouds.get_subscription_count() == 1 and robot.node.outputs.wanted(), "the node")
    assert set(robot.ask()) <= {0, 255}
    assert graph.transition(NODE, "deactivate")
    assert graph.transition(NODE, "cleanup")
    assert robot.set(prompts=["tree", "road"]).successful
    assert graph.transition(NODE, "configure")
    until(lambda: robot.names[-1] == ["tree", "road"], "the classes")


def test_what_the_model_is_stays_fixed_while_words_change(robot, without_tower):
    robot.serving(without_tower)
    result = robot.set_together(prompts=["car"], threads=3)
    assert not result.successful
    assert result.reason.startswith("threads: cannot change while active")
    assert robot.names == [list(load_vocabulary("nuscenes16").class_table.names)]


@pytest.mark.parametrize(
    "values",
    [{"prompts": ["car"]}, {"vocabulary": "nuscenes16"}, {"unknown_threshold": 0.5}],
    ids=lambda v: next(iter(v)),
)
def test_a_model_that_knows_no_words_refuses_them(robot, tiny_package, values):
    robot.serving(tiny_package)
    result = robot.set(**values)
    assert not result.successful
    assert "expected a package of task embedding, found segmentation" in result.reason
    robot.ask()


def test_a_vocabulary_brings_synonyms_and_is_read_again_when_asked(robot, without_tower, tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text(VOCABULARY.replace("red car", "bus"))
    robot.serving(without_tower, vocabulary=str(path))
    assert set(robot.ask()) <= {0, 1, 255}
    assert robot.names == [["vehicle", "plant"]]
    path.write_text(
        "name: other\nclasses:\n- name: plant\n  prompts: [tree]\n- name: sky\n  prompts: [road]\n  sink: true\n"
    )
    answer = robot.reload()
    assert (answer.success, answer.message) == (True, "looking for plant")
    assert set(robot.ask()) == {0, 255}
    assert robot.names[-1] == ["plant"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "words.yaml"), ("classes: 3", "words.yaml"), (VOCABULARY.replace("red car", "unicorn"), "unicorn")],
    ids=["gone", "broken", "unknown word"],
)
def test_a_vocabulary_that_cannot_be_read_again_leaves_the_words_as_they_were(
    robot, without_tower, tmp_path, content, reason
):
    path = tmp_path / "words.yaml"
    path.write_text(VOCABULARY.replace("red car", "bus"))
    robot.serving(without_tower, vocabulary=str(path))
    before = robot.ask()
    path.unlink()
    if content is not None:
        path.write_text(content)
    answer = robot.reload()
    assert not answer.success
    assert reason in answer.message
    np.testing.assert_array_equal(robot.ask(), before)
    assert robot.names == [["vehicle", "plant"]]


def test_reload_says_why_when_there_is_nothing_to_read(robot, graph, without_tower):
    robot.start(without_tower, autostart=False)
    assert "Configure the node first" in robot.reload().message
    assert graph.transition(NODE, "configure")
    answer = robot.reload()
    assert not answer.success
    assert "give a name or a file" in answer.message


def test_prompts_beside_a_vocabulary_are_refused_and_both_can_change_together(robot, without_tower):
    robot.serving(without_tower, vocabulary="nuscenes16")
    result = robot.set(prompts=["car"])
    assert not result.successful
    assert "prompts and vocabulary: expected only one of them" in result.reason
    assert robot.set_together(prompts=["car"], vocabulary="").successful
    assert set(robot.ask()) <= {0, 255}


def test_answers_below_the_threshold_become_unknown(robot, without_tower):
    robot.serving(without_tower)
    sure = robot.ask()
    assert robot.set(unknown_threshold=1.0).successful
    assert (robot.ask() == 255).sum() > (sure == 255).sum()
    assert not robot.set(unknown_threshold=1.5).successful
    assert robot.set(unknown_threshold=0).successful  # an integer is taken for a double
    np.testing.assert_array_equal(robot.ask(), sure)


def test_an_unexpected_fault_while_words_change_is_a_refusal_and_the_node_lives(robot, graph, without_tower, until):
    def faulty(settings):
        segmenter = open_segmenter(settings)
        segmenter.table_of = lambda words: 1 / 0
        return segmenter

    robot.serving(without_tower, make=partial(SegmentationNode, faulty))
    result = robot.set(prompts=["car"])
    assert not result.successful
    assert "division by zero" in result.reason
    until(lambda: robot.node.health.counts()["faults"] == 1, "the fault")
    robot.ask()
