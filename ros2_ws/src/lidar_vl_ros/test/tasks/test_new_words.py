"""Words that are to be embedded first: clouds go on with the old ones, the newest request wins, a failure changes nothing."""

import json
import threading

import numpy as np
import pytest
from lidar_vl_ros.segmentation_node import SegmentationNode
from lidar_vl_ros.tasks import word_changes
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from ros2_ws.src.lidar_vl_ros.test.tasks.asking_robot import EVERY_TABLE, NODE, XYZ_M

OLD = ("car", "tree")


@pytest.fixture
def package(with_tower):
    return with_tower


class SlowTower:
    """In the place of the process: begins each prompt when it is asked, and answers when it may."""

    def __init__(self, package):
        self._encoder = TextEncoder(package.text_encoder_bytes(), package.tokenizer_bytes(), package.language, 1)
        self.begun: list[str] = []
        self.may_answer = threading.Semaphore(0)
        self.raises: Exception | None = None
        self.closed = False

    def embed(self, prompts):
        self.begun += prompts
        assert self.may_answer.acquire(timeout=30)
        if self.closed:
            raise BadModelPackage("text encoder: its process ended with -9")
        if self.raises is not None:
            raise self.raises
        return self._encoder.embed(prompts)

    def answer(self, number):
        self.may_answer.release(number)

    def close(self):
        self.closed = True
        self.answer(1000)


@pytest.fixture
def towers(monkeypatch) -> list[SlowTower]:
    made = []
    monkeypatch.setattr(word_changes, "TextProcess", lambda package: made.append(SlowTower(package)) or made[-1])
    return made


@pytest.fixture
def robot(graph, make_cloud, until, package):
    class Robot:
        def __init__(self):
            self.answers: list[PointCloud2] = []
            self.tables: list[dict] = []
            output = f"/{NODE}/output"
            graph.subscribe(PointCloud2, f"{output}/pointcloud/segmentation", self.answers.append, 50)
            graph.subscribe(
                String, f"{output}/label_info", lambda told: self.tables.append(json.loads(told.data)), EVERY_TABLE
            )
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 50)
            self.sent = 0

        def serving(self, **parameters):
            self.node = graph.start(SegmentationNode, model=str(package), threads=1, prompts=list(OLD), **parameters)
            until(lambda: self.clouds.get_subscription_count() == 1 and self.node.outputs.wanted(), "the node")
            return self

        def set(self, *prompts):
            return graph.set_parameter(NODE, "prompts", list(prompts))

        def ask(self):
            """The classes of one more cloud, and what a listener calls them."""
            self.sent += 1
            number = self.sent
            self.clouds.publish(make_cloud(XYZ_M, stamp_ns=number))
            found = lambda: [each for each in self.answers if each.header.stamp.nanosec == number]  # noqa: E731
            class_id = decode(until(found, f"cloud {number}")[0], ("class_id",)).extra["class_id"]
            told = until(
                lambda: [table["names"] for table in self.tables if table["after_stamp_ns"] < number], "the classes"
            )
            return class_id, tuple(told[-1])

        def status(self):
            """What the next diagnostics say of words."""
            seen = len(graph.diagnostics)
            until(lambda: len(graph.diagnostics) > seen, "diagnostics")
            of_words = [each for each in graph.diagnostics[-1].status if each.name.endswith(": words")]
            return of_words[0], {each.key: each.value for each in of_words[0].values}

    return Robot()


def _expected(package, words):
    segmenter = Segmenter(load_model_package(package), threads=1)
    segmenter.set_words(words)
    return segmenter.segment(PointCloud(XYZ_M, np.full(len(XYZ_M), 0.25, np.float32), 1, "lidar")).class_id


def _require(robot, package, *words):
    class_id, names = robot.ask()
    assert names == words
    np.testing.assert_array_equal(class_id, _expected(package, words))


def test_clouds_go_on_with_the_old_words_while_new_ones_are_embedded(robot, towers, package, until):
    robot.serving()
    assert robot.set("red dog", "road", "red car").successful
    until(lambda: towers[0].begun, "the tower")
    for _ in range(10):
        _require(robot, package, *OLD)
    status, values = robot.status()
    assert values == {"in_force": "car, tree", "pending": "red dog, road, red car", "to_embed": "2"}
    assert status.message.startswith(
        "embedding 2 new prompts for red dog, road, red car; looking for car, tree until then"
    )
    towers[0].answer(1)
    until(lambda: len(towers[0].begun) == 2, "the second prompt")
    _require(robot, package, *OLD)
    towers[0].answer(1)
    until(lambda: robot.node.segmentation._words.told == "looking for red dog, road, red car", "the swap")
    _require(robot, package, "red dog", "road", "red car")
    assert robot.status()[1] == {"in_force": "red dog, road, red car"}
    assert towers[0].begun == ["red dog", "red car"]  # the package has the road


def test_the_newest_request_wins_and_what_was_learned_for_another_is_not_learned_again(robot, towers, package, until):
    robot.serving()
    assert robot.set("red dog", "dog", "red tree").successful
    until(lambda: towers[0].begun, "the tower")
    assert robot.set("red car", "red dog").successful
    _require(robot, package, *OLD)
    towers[0].answer(2)
    until(lambda: robot.node.segmentation._words.told == "looking for red car, red dog", "the swap")
    assert towers[0].begun == ["red dog", "red car"]
    _require(robot, package, "red car", "red dog")
    assert [table["names"] for table in robot.tables] == [list(OLD), ["red car", "red dog"]]


def test_known_words_hold_at_once_and_what_was_pending_is_dropped(robot, towers, package, until):
    robot.serving()
    assert robot.set("red dog").successful
    until(lambda: towers[0].begun, "the tower")
    assert robot.set("road", "car").successful
    _require(robot, package, "road", "car")
    towers[0].answer(1)
    until(lambda: towers[0].may_answer._value == 0, "the tower's answer")
    _require(robot, package, "road", "car")


def test_unknown_words_are_refused_at_once_and_what_was_pending_stays_so(robot, towers, package, until):
    robot.serving()
    assert robot.set("red dog").successful
    until(lambda: towers[0].begun, "the tower")
    result = robot.set("unicorn")
    assert not result.successful
    assert "found 'unicorn'" in result.reason
    towers[0].answer(1)
    until(lambda: robot.node.segmentation._words.told == "looking for red dog", "the swap")
    _require(robot, package, "red dog")


@pytest.mark.parametrize("error", [BadModelPackage("text_encoder.onnx: expected a text tower"), ValueError("odd")])
def test_a_failure_is_told_leaves_the_old_words_and_the_same_words_can_be_asked_for_again(
    robot, towers, package, until, graph, error
):
    robot.serving()
    towers[0].raises = error
    towers[0].answer(1)
    assert robot.set("red dog").successful
    until(lambda: robot.node.health.counts()["faults"] == 1, "the fault")
    graph.logs(str(error))
    status, values = robot.status()
    assert status.level == bytes([1])
    assert "the words stay unchanged, as the new ones cannot be embedded" in status.message
    assert str(error) in values["last_problem"]
    assert "pending" not in values
    _require(robot, package, *OLD)
    towers[0].raises = None
    towers[0].answer(1)
    assert robot.set("red dog").successful
    until(lambda: robot.node.segmentation._words.told == "looking for red dog", "the swap")
    _require(robot, package, "red dog")
    assert robot.status()[0].level == bytes([0])


def test_deactivated_the_node_goes_on_embedding_and_cleaned_up_it_gives_up(robot, towers, package, until, graph):
    robot.serving()
    assert robot.set("red dog").successful
    until(lambda: towers[0].begun, "the tower")
    assert graph.transition(NODE, "deactivate")
    towers[0].answer(1)
    until(lambda: robot.tables[-1]["names"] == ["red dog"], "the classes, told while inactive")
    assert robot.set("dog").successful
    until(lambda: len(towers[0].begun) == 2, "the tower")
    assert graph.transition(NODE, "cleanup")
    assert towers[0].closed
    assert not robot.node.left_behind
    assert robot.node.health.counts()["faults"] == 0
    assert "left behind" not in graph.logged
    towers.clear()
    assert robot.set("road", "car").successful
    assert graph.transition(NODE, "configure")
    assert graph.transition(NODE, "activate")
    until(lambda: robot.clouds.get_subscription_count() == 1 and robot.node.outputs.wanted(), "the node")
    _require(robot, package, "road", "car")


def test_a_vocabulary_read_again_says_that_its_new_words_are_embedded(robot, towers, tmp_path, until, graph):
    path = tmp_path / "words.yaml"
    path.write_text("name: street\nclasses:\n- name: vehicle\n  prompts: [car]\n")
    robot.serving()
    assert graph.set_parameter(NODE, "prompts", []).successful
    assert graph.set_parameter(NODE, "vocabulary", str(path)).successful
    path.write_text("name: street\nclasses:\n- name: animal\n  prompts: [dog, red dog]\n")
    answer = graph.call(Trigger, f"/{NODE}/reload_vocabulary", Trigger.Request())
    assert (answer.success, answer.message) == (
        True, "embedding 2 new prompts for animal; looking for vehicle until then",
    )  # fmt: skip
    towers[0].answer(2)
    until(lambda: robot.tables[-1]["names"] == ["animal"], "the classes")


def test_words_of_the_start_are_embedded_before_the_first_cloud(robot, package, graph, until):
    """By the process itself."""
    robot.serving()
    assert robot.set("red dog", "dog").successful
    until(lambda: robot.node.segmentation._words.told == "looking for red dog, dog", "the swap", timeout_s=120)
    _require(robot, package, "red dog", "dog")
    assert graph.transition(NODE, "deactivate")
    assert graph.transition(NODE, "cleanup")
    assert graph.transition(NODE, "configure")
    assert robot.node.segmentation._words.told == "looking for red dog, dog"
