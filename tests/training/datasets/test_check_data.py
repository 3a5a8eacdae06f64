"""check-data: says what lies in a folder, finds what is wrong in it, and ends with 2 where there is nothing."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.labelled_message import cloud_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from offline_training.cli.main import main
from offline_training.datasets import check_data as check_data_module
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.check_data import check_data
from offline_training.datasets.data_sources import SPECS, data_set_spec, data_source
from offline_training.datasets.lidar.nuscenes import NuScenesSource
from tests.recordings import recording
from tests.written.lidar_data_sets import CALIB, write_kitti_like, write_nuscenes, write_rellis

KINDS = tuple(spec.kind for spec in SPECS)


def findings(kind: str, folder: Path, **values: object) -> list[str]:
    return list(check_data(data_source({"kind": kind, "folder": str(folder), **values}, "test")))


def _kitti(folder: Path) -> Path:
    for sequence in ("00", "08"):
        write_kitti_like(folder / "sequences" / sequence, [10, 40, 0], ("000000", "000001", "000002"))
    (folder / "sequences" / "08" / "labels" / "000001.label").unlink()
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_data_set_ends_with_2_and_one_line_with_its_layout(kind, tmp_path, capsys):
    for folder in (tmp_path / "nothing", tmp_path):
        assert main(["check-data", kind, str(folder)]) == 2
        out, err = capsys.readouterr()
        assert data_set_spec(kind).layout.tree() in out
        assert err.count("\n") == 1
        if kind != "ros_bag" or folder.name == "nothing":  # the reader of bags knows better what is wrong with a folder
            assert data_set_spec(kind).layout.line() in err


def test_a_kind_that_does_not_exist_is_refused_with_the_kinds_there_are(tmp_path, capsys):
    assert main(["check-data", "waymo", str(tmp_path)]) == 2
    assert "semantic_poss" in capsys.readouterr().err


def test_scans_and_labels_are_counted_by_sequence_and_splits_compared(tmp_path):
    lines = findings("semantic_kitti", _kitti(tmp_path))
    assert "00: scans 3, labels 3" in lines
    assert "08: scans 3, labels 2" in lines
    assert "split val: 1 of 1" in lines
    assert "split train: 1 of 10, without 01, 02, 03 ..." in lines


def test_the_first_the_middle_and_the_last_sample_are_opened(tmp_path):
    lines = [line for line in findings("semantic_kitti", _kitti(tmp_path)) if " points, " in line]
    assert [line.partition(":")[0] for line in lines] == ["00/000000", "08/000000", "08/000002"]
    assert all("66.7 % in 2 classes, most in car, road" in line for line in lines)


def test_labels_of_no_class_are_found_and_end_the_check(tmp_path, capsys):
    folder = _kitti(tmp_path)
    np.full(3, 2, np.uint32).tofile(folder / "sequences" / "08" / "labels" / "000002.label")
    assert main(["check-data", "semantic_kitti", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("wrong: 08/000002")
    assert "1 wrong thing" in err


def test_pictures_are_opened_and_points_in_them_counted(tmp_path):
    from PIL import Image

    folder = _kitti(tmp_path)
    sequence = folder / "sequences" / "00"
    (sequence / "calib.txt").write_text(CALIB)
    (sequence / "image_2").mkdir()
    Image.new("RGB", (64, 48)).save(sequence / "image_2" / "000000.png")
    write_kitti_like(sequence, [40] * 500, ("000000",))
    assert any("image_2 64x48" in line and "points in the image" in line for line in findings("semantic_kitti", folder))
    (sequence / "image_2" / "000000.png").write_bytes(b"no picture")
    assert main(["check-data", "semantic_kitti", str(folder)]) == 2


def test_nuscenes_is_counted_by_scene_from_its_tables(tmp_path):
    folder = write_nuscenes(tmp_path, "v1.0-mini", {"scene-0061": 2, "scene-0103": 1})
    (folder / "samples" / "CAM_BACK" / "scene-0061-1-CAM_BACK.jpg").unlink()
    lines = findings("nuscenes", folder, version="v1.0-mini", frames=("scene-0061-0", "scene-0103-0"))
    assert "scene-0061: key frames 1, scans 1, labels 1, pictures 6" in lines
    assert "split mini_val: 1 of 2, without scene-0916" in lines
    assert sum("points in the image" in line for line in lines) == 12
    told = check_data(NuScenesSource(folder=str(folder), version="v1.0-mini"))
    assert "scene-0061: key frames 2, scans 2, labels 2, pictures 11" in [next(told) for _ in range(2)]


def test_a_scan_that_tables_list_and_nobody_unpacked_is_found_wherever_it_is(tmp_path, capsys):
    folder = write_nuscenes(tmp_path, "v1.0-mini", {"scene-0061": 5})
    (missing,) = (folder / "samples" / "LIDAR_TOP").glob("scene-0061-1*")  # neither first, middle nor last
    missing.unlink()
    assert main(["check-data", "nuscenes", str(folder), "version=v1.0-mini"]) == 2
    out, err = capsys.readouterr()
    assert "wrong: 1 of 5 samples of v1.0-mini/sample.json lack their scan: scene-0061/1" in out.replace(
        "scene-0061-1", "1"
    )
    assert "Unpack what is missing" in err


def test_what_is_odd_about_the_clouds_of_a_recording_is_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    xyz_mm = np.column_stack([rng.uniform(-40_000, 40_000, (2000, 2)), rng.uniform(-1800, 2000, 2000)])
    layout = encode({axis: xyz_mm[:, k].astype(np.int32) for k, axis in enumerate("xyz")})
    with BagWriter(tmp_path / "mm.mcap") as bag:
        bag.write("/points", CLOUD_TYPE, 10**9, cloud_message(layout, 10**9, "lidar"))
    assert main(["check-data", "ros_bag", str(tmp_path / "mm.mcap")]) == 2
    out = capsys.readouterr().out
    assert "note: /points: coordinates: expected metres" in out
    assert "note: /points: intensity: expected" in out


def test_a_list_of_rellis_is_compared_with_the_files(tmp_path):
    write_rellis(tmp_path, [3], {"train": ["00000/000000", "00001/000000"], "val": ["00004/000000"]})
    (tmp_path / "00001" / "os1_cloud_node_kitti_bin" / "000000.bin").unlink()
    lines = findings("rellis3d", tmp_path, sequences=("00000",))
    assert "split train: 2 scans listed in pt_train.lst, 1 of them without scan or label file" in lines
    assert any(line.startswith("split test:") and "pt_test.lst" in line for line in lines)


class _Street:
    """One kept sweep; making a real one takes seconds."""

    classes = class_table("nuscenes16")

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        cloud = PointCloud(np.ones((4, 3), np.float32), np.zeros(4, np.float32), 0, "lidar_top")
        return Sample("synthetic_00003_000", cloud, np.full(4, 255, np.uint8), self.classes)


def test_kept_synthetic_sweeps_are_found_and_what_is_odd_about_them_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(check_data_module, "open_source", lambda *_: _Street())
    (tmp_path / "00003_000_0123456789abcdef.npz").write_bytes(b"")
    lines = findings("synthetic", tmp_path)
    assert any(line.endswith("scans 1") for line in lines)
    assert any("labels that are all ignored" in line for line in lines)
    assert lines[-2:] == ["note: synthetic_00003_000: every intensity is 0", "note: no boxes found"]


def test_a_recorded_bag_and_a_pandaset_pass(test_data):
    bag, pandaset = recording(test_data, "bags/*_mcap"), recording(test_data, "pandaset_*")
    lines = findings("ros_bag", bag)
    assert sum("points, " in line for line in lines) == sum("points in the image" in line for line in lines) == 3
    lines = findings("pandaset", pandaset, frames=("00",))
    assert f"front_camera: pictures {len(list(pandaset.glob('camera/front_camera/*.jpg')))}" in lines
    assert sum("points in the image" in line for line in lines) == 6


def test_points_farther_than_any_lidar_measures_are_wrong_and_intensities_of_another_unit_are_told(tmp_path, capsys):
    folder = write_kitti_like(tmp_path / "sequences" / "00", [10] * 20).parents[1]
    for scan in folder.rglob("*.bin"):
        rows = np.fromfile(scan, np.float32).reshape(-1, 4) * np.array([1000.0, 1000.0, 1000.0, 255.0], np.float32)
        rows.tofile(scan)
    assert main(["check-data", "semantic_kitti", str(folder)]) == 2
    told = capsys.readouterr().out
    assert "00/000000: expected points in metres, which a LiDAR measures up to 5000 m, found one at" in told
    assert "note: 00/000000: 95 % of the intensities are at full scale" in told
