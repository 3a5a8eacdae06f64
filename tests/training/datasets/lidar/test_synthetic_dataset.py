"""Synthetic streets on disk: the cache of sweeps and pictures, and the recording."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset, BadRequest

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset
from offline_training.synthetic.sensors.camera import RING, T_base_camera
from offline_training.synthetic.sensors.drive import SyntheticDrive, drive, main, write_drive
from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS
from tests.training.synthetic.kept_streets import SMALL, scene


@pytest.mark.slow
def test_samples_come_back_from_the_cache_as_they_were_made(tmp_path, kept_worlds):
    made = SyntheticDataset([1], 2, tmp_path, SMALL)[1]
    read = SyntheticDataset([1], 2, tmp_path, SMALL)[1]
    assert_array_equal(made.cloud.xyz_m, read.cloud.xyz_m)
    assert_array_equal(made.class_id, read.class_id)
    exact = sweep(scene(1), SMALL, 1.2, 1_200_000_000, np.random.default_rng([1, 2, 1]))
    assert_allclose(read.cloud.xyz_m, exact.xyz_m, atol=0.0021)
    assert_allclose(read.cloud.intensity, exact.intensity, atol=0.0021)
    assert_array_equal(read.class_id, exact.extra["label"])
    assert read.classes == class_table("nuscenes16")


@pytest.mark.slow
def test_prepare_makes_only_what_is_missing(tmp_path, kept_worlds):
    data = SyntheticDataset([1, 3], 1, tmp_path, SMALL)
    heard: list[int] = []
    data.prepare(workers=2, on_progress=heard.append)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == len(data) == sum(heard) == 2
    before = {path: path.stat().st_mtime_ns for path in files}
    files[0].unlink()
    data.prepare()
    assert sorted(tmp_path.glob("*.npz")) == files
    assert all(path.stat().st_mtime_ns == before[path] for path in files[1:])


def test_another_sensor_is_another_entry_of_the_cache(tmp_path, kept_worlds):
    SyntheticDataset([1], 1, tmp_path, SMALL)[0]
    SyntheticDataset([1], 1, tmp_path, replace(SMALL, height_m=1.2))[0]
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_damaged_cache_file_is_named(tmp_path, kept_worlds):
    data = SyntheticDataset([1], 1, tmp_path, SMALL)
    data.prepare()
    path = next(tmp_path.glob("*.npz"))
    whole = path.read_bytes()
    for content in (b"", b"not an archive", b"PK\x03\x04 cut", whole[: len(whole) // 2], whole[:-300]):
        path.write_bytes(content)
        with pytest.raises(BadDataset, match=path.name):
            data[0]


def test_a_sample_beyond_the_last_one_does_not_exist(tmp_path):
    data = SyntheticDataset([1], 2, tmp_path, SMALL)
    for index in (2, -1):
        with pytest.raises(IndexError):
            data[index]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    write_drive(path, seed=3, frames=3, lidar=SMALL, image_width=128, workers=1)
    return path


@pytest.mark.slow
def test_a_recording_reads_back_as_the_drive_it_was_made_from(recorded):
    from lidar_vl_core.bags.recording import open_recording

    frames = list(drive(3, 3, SMALL, image_width=128))
    with open_recording(recorded) as recording:
        read = list(recording.frames(extra_fields=("label", "ring", "time")))
        assert not recording.warnings
    assert len(read) == 3
    for found, made in zip(read, frames, strict=True):
        assert_array_equal(found.cloud.xyz_m, made.cloud.xyz_m)
        assert_array_equal(found.cloud.extra["label"], made.cloud.extra["label"])
        assert found.cloud.stamp_ns == made.cloud.stamp_ns
        assert {view.name for view in found.views} == {mount.name for mount in RING}
        of_name = {view.name: view for view in made.views}
        for view in found.views:
            if view.stamp_ns != of_name[view.name].stamp_ns:
                continue  # the next frame's picture was nearer in time
            assert_allclose(view.T_cam_lidar.matrix(), of_name[view.name].T_cam_lidar.matrix(), atol=1e-6)
            assert_allclose(view.camera.K, of_name[view.name].camera.K)
            error = view.load_rgb().astype(int) - of_name[view.name].rgb.astype(int)
            assert np.abs(error).mean() < 6  # JPEG


@pytest.mark.slow
def test_a_recording_has_the_true_boxes_of_the_things_that_its_clouds_show(recorded):
    from lidar_vl_core.bags.recording import open_recording
    from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
    from lidar_vl_core.classes.box_names import box_names
    from lidar_vl_core.evaluation.recorded_boxes import RecordedBoxes

    points_of, boxes_of = class_table("nuscenes16"), class_table("nuscenes10")
    source = SyntheticDrive(3, SMALL, image_width=128)
    with open_recording(recorded) as recording:
        boxes = RecordedBoxes(recording.bag, None, box_names(None, boxes_of))
        assert boxes.topic == "/lidar/boxes_truth"
        for number, frame in enumerate(recording.frames(extra_fields=("label",))):
            found, made = boxes.of(frame.cloud), source.boxes(number, frame.cloud)
            assert_allclose(found.boxes[:, :6], made.boxes[:, :6])
            named = [
                [table.names[k] for k in ids] for table, ids in ((boxes_of, found.class_id), (points_of, made.class_id))
            ]
            assert named[0] == named[1]
            point, box = points_in_boxes(frame.cloud.xyz_m, found.boxes)
            own = frame.cloud.extra["label"][point] == made.class_id[box]
            assert np.bincount(box[own], minlength=len(found)).min() >= 5


@pytest.mark.slow
def test_a_recording_is_the_same_however_many_processes_make_it(recorded, tmp_path):
    path = tmp_path / "again.mcap"
    write_drive(path, seed=3, frames=3, lidar=SMALL, image_width=128, workers=2)
    from lidar_vl_core.bags.reader import open_bag

    def contents(file: Path) -> list:
        with open_bag(file) as bag:
            return [(message.topic, message.stamp_ns, message.data) for message in bag.messages()]

    assert contents(path) == contents(recorded)


def test_cameras_look_where_their_names_say():
    for mount in RING:
        ahead = T_base_camera(mount).rotation @ [0, 0, 1]
        down = T_base_camera(mount).rotation @ [0, 1, 0]
        assert_allclose(down, [0, 0, -1], atol=1e-9)
        assert ("front" in mount.name) == (ahead[0] > 0)
        assert ("left" in mount.name) == (ahead[1] > 0.1)
        assert ("right" in mount.name) == (ahead[1] < -0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--frames", "0"], "frames"),
        (["--seed", "-1"], "seed"),
        (["--rate", "40"], "rate"),
        (["--rate", "0"], "rate"),
        (["--image-width", "5"], "image width"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing(tmp_path, capsys, words, said):
    out = tmp_path / "drive.mcap"
    assert main(["--out", str(out), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert "expected" in error
    assert list(tmp_path.iterdir()) == []


def test_a_drive_refuses_what_overlaps():
    with pytest.raises(BadRequest, match="overlap"):
        SyntheticDrive(1, LIDARS["hdl64"], rate_hz=20.0)


def test_making_a_drive_needs_no_torch():
    code = "import offline_training.synthetic.sensors.drive, offline_training.datasets.lidar.synthetic_streets, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
