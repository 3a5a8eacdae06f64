"""A detector of several sweeps on a recording: joined by the recorded motion, or one by one with a warning."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.answers import Answering
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.commands.recordings.replay import replay
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.sweeps.joining import EarlierSweep, joined_sweeps
from lidar_vl_core.tasks.detector import Detector
from tests.core.commands.replay.crowded_street import clouds
from tests.written.labelled_bags import labelled
from tests.written.ros_messages import tf, transform
from tests.written.tiny_detectors import write_tiny_detector

CLOUD = "sensor_msgs/msg/PointCloud2"


@pytest.fixture(scope="module")
def timed_package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """A detector that reads how long ago each point was measured."""
    return write_tiny_detector(tmp_path_factory.mktemp("packages") / "timed", features=("intensity", "time"))


def _driving(path: Path, moving: bool) -> Path:
    """The street, seen from a car that drives half a metre from sweep to sweep."""
    with BagWriter(path) as bag:
        for number, cloud in enumerate(clouds()):
            parent, x_m = ("odom", 0.5 * number) if moving else ("base_link", 1.0)
            message = tf(transform(parent, "lidar", (x_m, 0, 0), stamp_ns=cloud.stamp_ns))
            bag.write("/tf" if moving else "/tf_static", "tf2_msgs/msg/TFMessage", cloud.stamp_ns, message)
            bag.write("/points", CLOUD, cloud.stamp_ns + 5, labelled(cloud))
    return path


def test_sweeps_are_joined_by_the_motion_that_the_recording_tells(timed_package, tmp_path):
    bag, detector = _driving(tmp_path / "drive.mcap", moving=True), Detector(timed_package)
    metrics = replay(bag, timed_package, tmp_path / "out", Reading(intensity_max=1.0), Answering(sweeps=2))
    found, seen = [], clouds()
    for number, cloud in enumerate(seen):
        moved = RigidTransform(np.eye(3), np.array([-0.5, 0.0, 0.0]))
        earlier = [EarlierSweep(seen[number - 1], moved)] if number else []
        found.append(detector.detect(joined_sweeps(cloud, earlier, 10_000)))
    ids = np.concatenate([boxes.class_id for boxes in found])
    counted = {name: int((ids == k).sum()) for k, name in enumerate(timed_package.classes.names)}
    assert metrics["boxes_per_class"] == counted
    assert not any("sweeps" in text for text in metrics["warnings"])
    alone = replay(bag, timed_package, tmp_path / "alone", Reading(intensity_max=1.0))
    assert alone["boxes_per_class"] != counted


def test_a_recording_that_tells_of_no_motion_is_replayed_sweep_by_sweep_and_says_so(timed_package, tmp_path):
    bag = _driving(tmp_path / "still.mcap", moving=False)
    metrics = replay(bag, timed_package, tmp_path / "out", Reading(intensity_max=1.0), Answering(sweeps=3))
    assert metrics["frames"] == 3
    (told,) = [text for text in metrics["warnings"] if "sweeps" in text]
    assert told.startswith("3 earlier sweeps left out: motion of lidar: expected a moving transform above it")
    alone = replay(bag, timed_package, tmp_path / "alone", Reading(intensity_max=1.0))
    assert metrics["boxes_per_class"] == alone["boxes_per_class"]


@pytest.mark.parametrize("sweeps", ["0", "21", "two", "-1"])
def test_a_number_of_sweeps_that_is_none_is_refused(street, package, tmp_path, capsys, sweeps):
    command = ["replay", str(street), "--model", str(package.path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main([*command, f"--sweeps={sweeps}"])
    assert "expected 1 to 20" in capsys.readouterr().err


def test_sweeps_are_joined_for_detectors_alone(street, tiny_package, tmp_path):
    with pytest.raises(BadRequest, match="--sweeps 2: expected a package that finds boxes"):
        replay(street, load_model_package(tiny_package), tmp_path / "out", answering=Answering(sweeps=2))
