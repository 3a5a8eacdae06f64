"""Damaged data sets: every fault is one BadDataset that names the sample or the file, and other samples still load."""

import json

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from tests.written.lidar_data_sets import ORIGIN, write_pandaset


def _edit_arrays(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | changes))


def _edit_meta(folder, change):
    meta = json.loads((folder / "meta.json").read_text())
    change(meta)
    (folder / "meta.json").write_text(json.dumps(meta))


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _of_frame(meta, **values):
    meta["frames"]["01"].update(values)


PANDASET_FAULTS = {
    "scan missing": lambda f: (f / "lidar" / "01.npz").unlink(),
    "scan cut": lambda f: _truncate(f / "lidar" / "01.npz"),
    "scan is a text": lambda f: (f / "lidar" / "01.npz").write_text("hello"),
    "scan empty": lambda f: (f / "lidar" / "01.npz").write_bytes(b""),
    "fewer labels than points": lambda f: _edit_arrays(f / "lidar" / "01.npz", label=np.zeros(8, np.uint8)),
    "points of two columns": lambda f: _edit_arrays(f / "lidar" / "01.npz", xyz_world=np.ones((9, 2), np.float32)),
    "label of no class": lambda f: _edit_arrays(f / "lidar" / "01.npz", label=np.full(9, 99, np.uint8)),
    "pickled labels": lambda f: _edit_arrays(f / "lidar" / "01.npz", label=np.array([{}] * 9, object)),
    "pose of zeros": lambda f: _edit_meta(f, lambda m: _of_frame(m, lidar_pose_world={"position": ORIGIN, "heading": dict.fromkeys("wxyz", 0.0)})),
    "pose missing": lambda f: _edit_meta(f, lambda m: m["frames"]["01"].pop("lidar_pose_world")),
    "camera pose missing": lambda f: _edit_meta(f, lambda m: _of_frame(m, cameras={})),
    "camera pose of zeros": lambda f: _edit_meta(f, lambda m: m["frames"]["01"]["cameras"]["front"].update(pose_world={"position": ORIGIN, "heading": dict.fromkeys("wxyz", 0.0)})),
    "stamp is NaN": lambda f: _edit_meta(f, lambda m: _of_frame(m, lidar_timestamp=float("nan"))),
    "stamp is a text": lambda f: _edit_meta(f, lambda m: _of_frame(m, lidar_timestamp="noon")),
}  # fmt: skip
PANDASET_IMAGE_FAULTS = {
    "image missing": lambda f: (f / "camera" / "front" / "01.jpg").unlink(),
    "image cut": lambda f: _truncate(f / "camera" / "front" / "01.jpg"),
    "image empty": lambda f: (f / "camera" / "front" / "01.jpg").write_bytes(b""),
    "image of another size": lambda f: Image.new("RGB", (32, 24)).save(f / "camera" / "front" / "01.jpg"),
}
PANDASET_FOLDER_FAULTS = {
    "no meta": lambda f: (f / "meta.json").unlink(),
    "meta cut": lambda f: _truncate(f / "meta.json"),
    "meta is a list": lambda f: (f / "meta.json").write_text("[1, 2]"),
    "meta without frames": lambda f: (f / "meta.json").write_text('{"cameras": {"a": {}}}'),
}


@pytest.mark.parametrize("fault", PANDASET_FAULTS)
def test_a_damaged_pandaset_frame_is_named_and_the_other_loads(fault, tmp_path):
    write_pandaset(tmp_path)
    PANDASET_FAULTS[fault](tmp_path)
    data_set = PandaSet(tmp_path)
    with pytest.raises(BadDataset, match=f"{tmp_path.name}/01"):
        data_set[1]
    assert len(data_set[0].cloud) == 9


@pytest.mark.parametrize("fault", PANDASET_IMAGE_FAULTS)
def test_a_damaged_image_is_named_when_it_is_asked_for(fault, tmp_path):
    write_pandaset(tmp_path)
    PANDASET_IMAGE_FAULTS[fault](tmp_path)
    view = PandaSet(tmp_path)[1].views[0]
    with pytest.raises(BadDataset, match=r"/01: expected.*01\.jpg"):
        view.load_rgb()


@pytest.mark.parametrize("fault", PANDASET_FOLDER_FAULTS)
def test_a_folder_that_is_no_sequence_is_refused_at_once(fault, tmp_path):
    write_pandaset(tmp_path)
    PANDASET_FOLDER_FAULTS[fault](tmp_path)
    with pytest.raises(BadDataset, match=r"meta\.json"):
        PandaSet(tmp_path)


@pytest.mark.parametrize("wrong", [{"fx": 0.0}, {"fx": float("nan")}, {"fx": "wide"}, {"fx": None}])
def test_intrinsics_that_are_none_name_the_frame(wrong, tmp_path):
    write_pandaset(tmp_path)
    _edit_meta(tmp_path, lambda m: m["cameras"]["front"]["intrinsics"].update(wrong))
    with pytest.raises(BadDataset, match=f"{tmp_path.name}/00"):
        PandaSet(tmp_path)[0]


def _write_kitti(root):
    folder = root / "sequences" / "00"
    for name in ("velodyne", "labels", "image_2"):
        (folder / name).mkdir(parents=True)
    (folder / "calib.txt").write_text("P2: 700 0 31.5 0 0 700 23.5 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n")
    for scan in ("000000", "000001"):
        np.ones((9, 4), np.float32).tofile(folder / "velodyne" / f"{scan}.bin")
        np.full(9, 40, np.uint32).tofile(folder / "labels" / f"{scan}.label")
        Image.new("RGB", (64, 48)).save(folder / "image_2" / f"{scan}.png")
    return folder


KITTI_FAULTS = {
    "scan cut in a number": lambda f: (f / "velodyne" / "000001.bin").write_bytes(b"\0" * 143),
    "scan cut in a row": lambda f: (f / "velodyne" / "000001.bin").write_bytes(b"\0" * 140),
    "one label less": lambda f: np.full(8, 40, np.uint32).tofile(f / "labels" / "000001.label"),
    "label of no class": lambda f: np.full(9, 2, np.uint32).tofile(f / "labels" / "000001.label"),
    "labels cut in a number": lambda f: (f / "labels" / "000001.label").write_bytes(b"\0" * 35),
    "image is a text": lambda f: (f / "image_2" / "000001.png").write_text("hello"),
    "times too short": lambda f: (f / "times.txt").write_text("0.0\n"),
    "label is a folder": lambda f: ((f / "labels" / "000001.label").unlink(), (f / "labels" / "000001.label").mkdir()),
}


@pytest.mark.parametrize("fault", KITTI_FAULTS)
def test_a_damaged_kitti_scan_is_named_and_the_other_loads(fault, tmp_path):
    KITTI_FAULTS[fault](_write_kitti(tmp_path))
    data_set = SemanticKitti(tmp_path)
    with pytest.raises(BadDataset, match=r"00/000001|times\.txt"):
        data_set[1]
    assert len(data_set[0].cloud) == 9


@pytest.mark.parametrize(
    "calib",
    ["", "P2: 1 2 3\n", "P2: 700 0 31.5 0 0 700 23.5 0 0 0 1 0\n", "P2: a\nTr: b\n", "P2: 7 0 3 0 0 7 2 0 0 0 1 0\nTr: 2 0 0 0 0 2 0 0 0 0 2 0\n"],
    ids=["empty", "short", "no Tr", "text", "Tr scaled"],
)  # fmt: skip
def test_a_damaged_calibration_is_refused_at_once(calib, tmp_path):
    (_write_kitti(tmp_path) / "calib.txt").write_text(calib)
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(tmp_path)


def test_a_projection_of_zeros_is_no_camera(tmp_path):
    (_write_kitti(tmp_path) / "calib.txt").write_text("P2: " + "0 " * 12 + "\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n")
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(tmp_path)[0]


def test_a_sample_refuses_labels_that_do_not_belong_to_its_points():
    cloud = PointCloud(np.zeros((3, 3), np.float32), np.zeros(3, np.float32), 0, "lidar")
    for class_id in (np.zeros(4, np.uint8), np.zeros(3, np.int64), np.zeros((3, 1), np.uint8)):
        with pytest.raises(BadDataset, match="drive/7: expected 3 labels"):
            Sample("drive/7", cloud, class_id, class_table("nuscenes16"))
