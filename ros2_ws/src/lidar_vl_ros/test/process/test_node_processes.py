"""Nodes as the processes a user starts: signals, exit codes, wrong starts, and a recording from end to end."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.clouds.point_cloud2 import decode
from ros2_ws.src.lidar_vl_ros.test.process.node_process import INPUT, TIMEOUT_S, Process

INPUT_OF_NODE = "/segmentation_node/input/pointcloud"
LABELLED = "/segmentation_node/output/pointcloud/segmentation"


@pytest.mark.parametrize("signals", [[signal.SIGINT] * 2, [signal.SIGTERM]])
def test_a_node_stopped_while_it_serves_exits_with_0_within_three_seconds(
    start, tiny_package, small_bag, tmp_path, signals
):
    listener = start("bag_recorder", output=tmp_path / "served.mcap", topics=[LABELLED], count=5)
    node = start("segmentation_node", {"~/input/pointcloud": INPUT}, model=tiny_package)
    wait_for = [INPUT, LABELLED]
    start("bag_player", bag=small_bag, loop=True, rate=20.0, wait_for=wait_for, wait_timeout_s=TIMEOUT_S)
    assert listener.wait() == 0, node.lines
    asked = time.monotonic()
    for number in signals:
        node.signal(number)
    assert node.wait() == 0, node.lines
    assert time.monotonic() - asked < 3.0 * max(1.0, os.getloadavg()[0])  # 3 s where nobody else works
    assert not [line for line in node.lines if "Traceback" in line]


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT] * 2, [signal.SIGTERM] * 2])
def test_a_stopped_recorder_exits_with_0(start, until, tmp_path, signals):
    recorder = start("bag_recorder", output=tmp_path / "none.mcap", topics=["/nobody"])
    until(lambda: recorder.heard("waiting for"), "the recorder", TIMEOUT_S)
    for number in signals:
        recorder.signal(number)
    assert recorder.wait() == 0, recorder.lines


@pytest.mark.slow
def test_a_wrong_start_ends_with_2_and_one_line(start, tmp_path):
    missing = start("bag_player", bag=tmp_path / "none.mcap")
    wrong = start("bag_recorder", output=tmp_path / "x.mcap", topics=["/a"], idle_s=-1.0)
    assert [missing.wait(), wrong.wait()] == [2, 2]
    assert len(missing.lines) == len(wrong.lines) == 1
    assert "none.mcap: expected a recording" in missing.lines[0]
    assert "idle_s" in wrong.lines[0]
    assert not (tmp_path / "x.mcap").exists()


@pytest.mark.slow
def test_a_node_stopped_while_its_model_is_compiled_ends_within_two_seconds(start, until, tmp_path):
    node = start("segmentation_node", {}, {"NUMBA_CACHE_DIR": str(tmp_path)}, model="demo")
    until(lambda: any(tmp_path.rglob("*.nbi")), "the first of many compiled loops", TIMEOUT_S)
    asked = time.monotonic()
    node.signal(signal.SIGINT)
    assert node.wait() == 0, node.lines
    assert time.monotonic() - asked < 2.0 * max(1.0, os.getloadavg()[0])  # 2 s where nobody else works
    assert any("a model being prepared is abandoned" in line for line in node.lines), node.lines


@pytest.mark.slow
def test_a_killed_node_that_is_started_again_goes_to_the_state_it_was_commanded_to(start, until, tiny_package):
    def started():
        node = start("segmentation_node", model=tiny_package)
        until(lambda: node.heard(f"serving {INPUT_OF_NODE}"), "the node at work", TIMEOUT_S)
        return node

    started().crash()
    second = start("segmentation_node", model=tiny_package, autostart=False)
    until(lambda: second.heard("returning to the last commanded state, active"), "the node after a crash", TIMEOUT_S)
    until(lambda: second.heard(f"serving {INPUT_OF_NODE}"), "the node at work", TIMEOUT_S)
    second.signal(signal.SIGINT)
    assert second.wait() == 0
    assert not any("after a crash" in line for line in started().lines)


def test_a_node_whose_model_is_missing_stays_and_says_why(start, until, tmp_path):
    node = start("segmentation_node", model=tmp_path / "none")
    until(lambda: node.heard("on_configure refused"), "the refusal", TIMEOUT_S)
    assert not node.ended()
    node.signal(signal.SIGINT)
    assert node.wait() == 0


def _play_to_the_end(start, bag: Path, wait_for: list[str], node: Process, recorder: Process) -> None:
    """Slower than recorded: on a busy machine the newest cloud would otherwise replace one that still waits."""
    player = start("bag_player", bag=bag, rate=0.3, wait_for=wait_for, wait_timeout_s=TIMEOUT_S)
    assert player.wait() == 0, player.lines + node.lines
    assert recorder.wait() == 0, recorder.lines
    node.signal(signal.SIGINT)
    assert node.wait() == 0


@pytest.mark.slow
def test_played_clouds_are_served_and_recorded_without_loss(start, until, tiny_package, small_bag, tmp_path):
    recording = tmp_path / "labelled.mcap"
    recorder = start("bag_recorder", output=recording, topics=[INPUT, LABELLED], idle_s=3.0)
    node = start("segmentation_node", {"~/input/pointcloud": INPUT}, model=tiny_package, use_sim_time=True)
    until(lambda: recorder.heard(f"recording {LABELLED}"), "the recorder", TIMEOUT_S)  # the node hears of it meanwhile
    _play_to_the_end(start, small_bag, [f"{INPUT}=2", LABELLED], node, recorder)
    with open_bag(small_bag) as played, open_bag(recording) as recorded:
        clouds = [message.message for message in played.messages([INPUT])]
        arrived = [message.data for message in recorded.messages([INPUT])]
        labelled = [message.message for message in recorded.messages([LABELLED])]
        bytes_sent = [message.data for message in played.messages([INPUT])]
    # DDS fills the last bytes up to a multiple of four.
    assert [data[: len(sent)] for data, sent in zip(arrived, bytes_sent, strict=True)] == bytes_sent
    assert all(len(data) - len(sent) < 4 for data, sent in zip(arrived, bytes_sent, strict=True))
    # The node may hear of the recorder only while the first clouds are played; from then on none is missing.
    assert any(f"{LABELLED} {len(labelled)} (lost 0)" in line for line in recorder.lines), recorder.lines
    assert len(labelled) >= len(clouds) / 2
    heard_of = clouds[-len(labelled) :]
    assert [answer.header.stamp for answer in labelled] == [cloud.header.stamp for cloud in heard_of]
    for answer, cloud in zip(labelled, heard_of, strict=True):
        np.testing.assert_array_equal(decode(answer, ("class_id",)).xyz_m, decode(cloud).xyz_m)


@pytest.mark.slow
def test_one_process_labels_played_clouds_and_finds_boxes_in_sweeps_joined_by_the_bag_s_odometry(
    start, until, tiny_package, small_bag, tmp_path
):
    from tests.written.tiny_detectors import write_tiny_detector

    detector = write_tiny_detector(tmp_path / "detector").path
    recording, node_name = tmp_path / "answers.mcap", "/perception_node"
    topics = [f"{node_name}/output/pointcloud/segmentation", f"{node_name}/output/objects/boxes"]
    recorder = start("bag_recorder", output=recording, topics=[INPUT, *topics], idle_s=3.0)
    given = {"segmentation.model": tiny_package, "detection.model": detector, "detection.sweeps": 3}
    motion = {"detection.odometry_topic": "/odom", "detection.motion_max_wait_s": 1.0}
    node = start("perception_node", {"~/input/pointcloud": INPUT}, use_sim_time=True, **given, **motion)
    until(lambda: all(recorder.heard(f"recording {topic}") for topic in topics), "the recorder", TIMEOUT_S)
    _play_to_the_end(start, small_bag, [f"{INPUT}=2", "/odom", *topics], node, recorder)
    with open_bag(small_bag) as played, open_bag(recording) as recorded:
        stamps = [message.message.header.stamp for message in played.messages([INPUT])]
        labelled, boxes = ([message.message for message in recorded.messages([topic])] for topic in topics)
    for answers in (labelled, boxes):  # the node may hear of the recorder only while the first clouds are played
        assert [message.header.stamp for message in answers] == stamps[-len(answers) :]
        assert len(answers) >= len(stamps) / 2
    found = [decode(message, ("class_id", "segmentation_class_id")) for message in boxes]
    assert sum(len(cloud) for cloud in found)
    assert not any("sweeps left out" in line or "ERROR" in line for line in node.lines), node.lines


def test_an_interrupted_recorder_leaves_a_whole_file(start, until, small_bag, tmp_path):
    recording = tmp_path / "cut.mcap"
    recorder = start("bag_recorder", output=recording, topics=[INPUT])
    player = start("bag_player", bag=small_bag, loop=True, wait_for=[INPUT], wait_timeout_s=TIMEOUT_S)
    until(lambda: recorder.heard("recording "), "the recorder", TIMEOUT_S)
    until(lambda: player.heard("played "), "one round", TIMEOUT_S)
    recorder.signal(signal.SIGINT)
    assert recorder.wait() == 0, recorder.lines
    player.signal(signal.SIGINT)
    assert player.wait() == 0, player.lines
    with open_bag(recording) as bag:
        assert len(list(bag.messages())) >= 10
        assert bag.warnings == []


def test_a_player_without_subscribers_gives_up_and_names_the_topic(start, small_bag):
    player = start("bag_player", bag=small_bag, wait_for=["/nobody"], wait_timeout_s=0.2)
    assert player.wait() == 2
    assert any("/nobody" in line for line in player.lines)
