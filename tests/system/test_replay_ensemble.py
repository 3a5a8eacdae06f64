"""Replay with the recorded pictures: the labels are those of the core's camera fusion."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.answers import Answering
from lidar_vl_core.commands.recordings.replay import replay
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.written.embedding_packages import write_embedding_package

WORDS = ("car", "tree", "road")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return write_embedding_package(tmp_path_factory.mktemp("ensemble") / "package", image_size=(36, 64))


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of a synthetic street with six cameras."""
    from dataclasses import replace

    from offline_training.synthetic.sensors.drive import write_drive
    from offline_training.synthetic.sensors.lidar_spec import LIDARS

    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    write_drive(path, seed=3, frames=2, lidar=replace(LIDARS["hdl32"], azimuth_steps=90), image_width=64, workers=1)
    return path


def _predicted(out: Path) -> list[np.ndarray]:
    with open_bag(out / "predictions.mcap") as bag:
        return [
            decode(message.message, ("class_id",)).extra["class_id"]
            for message in bag.messages([bag.topic_of_type(CLOUD_TYPE, None)])
        ]


def _of_the_core(drive: Path, package: ModelPackage, with_pictures: bool) -> list[np.ndarray]:
    segmenter = Segmenter(package)
    segmenter.set_words(WORDS)
    fusion = CameraFusion(segmenter)
    with open_recording(drive) as recording:
        return [
            fusion.segment(frame.cloud, frame.views, lambda view, error: None).class_id
            for frame in recording.frames(with_views=with_pictures)
        ]


def test_labels_are_those_of_network_and_recorded_pictures(drive: Path, package: ModelPackage, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["replay", str(drive), "--model", str(package.path), "--prompts", ",".join(WORDS)]
    assert main([*command, "--out", str(out), "--ensemble"]) == 0
    for found, expected in zip(_predicted(out), _of_the_core(drive, package, True), strict=True):
        assert_array_equal(found, expected)
    alone = _of_the_core(drive, package, False)
    assert min((a != b).mean() for a, b in zip(_predicted(out), alone, strict=True)) > 0.01


def test_times_of_the_pictures_are_told_and_pictures_that_cannot_be_used_are_named(
    drive: Path, package: ModelPackage, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.mcap"
    with open_bag(drive) as bag, BagWriter(damaged) as writer:
        for message in bag.messages():
            if message.topic == "/camera/front/image/compressed":
                message.message.data = message.message.data[:40]
            writer.write(message.topic, message.type, message.stamp_ns, message.message)
    metrics = replay(damaged, package, tmp_path / "out", answering=Answering(ensemble=True))
    assert {"image_encoder", "fusion"} <= set(metrics["latency_ms"]["by_stage"])
    assert any(
        text.startswith("camera front") and "data: expected a complete JPEG" in text for text in metrics["warnings"]
    )


def test_a_recording_without_cameras_and_a_package_without_image_encoder_are_refused(
    drive: Path, package: ModelPackage, tiny_package: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.mcap"
    with open_bag(drive) as bag, BagWriter(plain) as writer:
        for message in bag.messages(["/lidar/points"]):
            writer.write(message.topic, message.type, message.stamp_ns, message.message)
    with pytest.raises(BadRequest, match="expected cameras in the recording"):
        replay(plain, package, tmp_path / "out", answering=Answering(ensemble=True))
    with pytest.raises(BadModelPackage, match="task embedding"):
        replay(drive, load_model_package(tiny_package), tmp_path / "out", answering=Answering(ensemble=True))
    assert not (tmp_path / "out").exists()
