"""Nodes as the processes a user starts: signals, exit codes, wrong starts, and a recording from end to end."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lidar_vl_ros.process.child_nodes import MODULES
from lidar_vl_ros.process.transport import large_message_environment

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.point_cloud2 import decode, encode
from lidar_vl_core.foundation.message_types import message_types

TIMEOUT_S = 60.0
INPUT = "/lidar/points"
INPUT_OF_NODE = "/segmentation_node/input/pointcloud"
LABELLED = "/segmentation_node/output/pointcloud/segmentation"
_domains = itertools.count()


class Process:
    """A node in a process of its own, with its output."""

    def __init__(self, node: str, parameters: dict[str, object], remaps: dict[str, str], environment: dict[str, str]):
        arguments = [word for name, value in parameters.items() for word in ("-p", f"{name}:={_yaml(value)}")]
        arguments += [word for before, after in remaps.items() for word in ("-r", f"{before}:={after}")]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULES[node], "--ros-args", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.set_blocking(self._process.stdout.fileno(), False)

    def heard(self, text: str) -> bool:
        while line := self._process.stdout.readline():
            self.lines.append(line)
        return any(text in line for line in self.lines)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def crash(self) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        code = self._process.wait(timeout_s)
        self.heard("")
        return code

    def kill(self) -> None:
        if not self.ended():
            self._process.send_signal(signal.SIGINT)  # killed at once it would leave its shared memory behind
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start nodes in a domain of their own; what still runs at the end of the test is killed."""
    # 1..99 are safe on every system; parallel runs differ by their process id.
    domain = 1 + (os.getpid() * 7 + next(_domains)) % 99
    environment = os.environ | large_message_environment()
    environment |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1"}
    processes: list[Process] = []

    def start(
        node: str, remaps: dict[str, str] | None = None, variables: dict[str, str] | None = None, **parameters: object
    ) -> Process:
        processes.append(Process(node, parameters, remaps or {}, environment | (variables or {})))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def small_bag(tmp_path: Path) -> Path:
    """Ten clouds in one second, each with another number of points."""
    path, types = tmp_path / "small.mcap", message_types().types
    rng = np.random.default_rng(5)
    with BagWriter(path) as bag:
        for index in range(10):
            stamp_ns = 1_700_000_000_000_000_000 + index * 100_000_000
            x, y, z = rng.uniform(-20, 20, (2000 + index, 3)).astype(np.float32).T
            layout = encode({"x": x, "y": y, "z": z, "intensity": np.full(len(x), 0.5, np.float32)})
            stamp = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
            cloud = types["sensor_msgs/msg/PointCloud2"](
                header=types["std_msgs/msg/Header"](stamp, "lidar"),
                height=layout.height,
                width=layout.width,
                fields=[
                    types["sensor_msgs/msg/PointField"](f.name, f.offset, f.datatype, f.count) for f in layout.fields
                ],
                is_bigendian=layout.is_bigendian,
                point_step=layout.point_step,
                row_step=layout.row_step,
                data=layout.data,
                is_dense=layout.is_dense,
            )
            bag.write("/odom", "nav_msgs/msg/Odometry", stamp_ns, _odometry(types, cloud.header, 0.5 * index))
            bag.write(INPUT, "sensor_msgs/msg/PointCloud2", stamp_ns, cloud)
    return path


def _odometry(types: dict, header: object, x_m: float) -> object:
    """The LiDAR where it has driven along x."""
    geometry = {
        name: types[f"geometry_msgs/msg/{name}"] for name in ("Point", "Quaternion", "Pose", "Vector3", "Twist")
    }
    pose = geometry["Pose"](geometry["Point"](x_m, 0.0, 0.0), geometry["Quaternion"](0.0, 0.0, 0.0, 1.0))
    still = geometry["Twist"](geometry["Vector3"](0.0, 0.0, 0.0), geometry["Vector3"](0.0, 0.0, 0.0))
    unknown = np.zeros(36)
    return types["nav_msgs/msg/Odometry"](
        header=types["std_msgs/msg/Header"](header.stamp, "odom"),
        child_frame_id="lidar",
        pose=types["geometry_msgs/msg/PoseWithCovariance"](pose, unknown),
        twist=types["geometry_msgs/msg/TwistWithCovariance"](still, unknown),
    )


def _yaml(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


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


@pytest.mark.slow
def test_played_clouds_are_served_and_recorded_without_loss(start, until, tiny_package, small_bag, tmp_path):
    recording = tmp_path / "labelled.mcap"
    recorder = start("bag_recorder", output=recording, topics=[INPUT, LABELLED], idle_s=3.0)
    node = start("segmentation_node", {"~/input/pointcloud": INPUT}, model=tiny_package, use_sim_time=True)
    until(lambda: recorder.heard(f"recording {LABELLED}"), "the recorder", TIMEOUT_S)  # the node hears of it meanwhile
    # Slower than recorded: on a busy machine the newest cloud would otherwise replace one that still waits.
    wait_for = [f"{INPUT}=2", LABELLED]
    player = start("bag_player", bag=small_bag, rate=0.3, wait_for=wait_for, wait_timeout_s=TIMEOUT_S)
    assert player.wait() == 0, player.lines + node.lines
    assert recorder.wait() == 0, recorder.lines
    node.signal(signal.SIGINT)
    assert node.wait() == 0
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
    wait_for = [f"{INPUT}=2", "/odom", *topics]
    player = start("bag_player", bag=small_bag, rate=0.3, wait_for=wait_for, wait_timeout_s=TIMEOUT_S)
    assert player.wait() == 0, player.lines + node.lines
    assert recorder.wait() == 0, recorder.lines
    node.signal(signal.SIGINT)
    assert node.wait() == 0
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
