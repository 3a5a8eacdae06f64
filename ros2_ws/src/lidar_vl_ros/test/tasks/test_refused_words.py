"""Words, vocabularies and thresholds that a node takes or refuses while it runs."""

from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.segmentation_node import SegmentationNode, open_segmenter

from lidar_vl_core.words.vocabulary import load_vocabulary
from ros2_ws.src.lidar_vl_ros.test.tasks.asking_robot import NODE, VOCABULARY, AskingRobot


@pytest.fixture
def robot(graph, make_cloud, until):
    return AskingRobot(graph, make_cloud, until)


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
