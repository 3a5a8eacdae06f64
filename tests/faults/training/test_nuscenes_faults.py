"""A damaged nuScenes: every fault is one BadDataset that names the sample or the table, and other samples still load."""

import json

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.lidar.nuscenes import NuScenes


def _write_nuscenes(root):
    """Two key frames of a LiDAR and one camera, with labels."""
    (root / "v1.0-mini").mkdir(parents=True)
    (root / "data").mkdir()
    pose = {"rotation": [1.0, 0.0, 0.0, 0.0], "translation": [0.0, 0.0, 0.0]}
    tables = {
        "scene": [{"token": "s", "name": "scene-0001"}],
        "sample": [{"token": f"f{i}", "timestamp": i, "scene_token": "s"} for i in (0, 1)],
        "sensor": [{"token": "l", "channel": "LIDAR_TOP"}, {"token": "c", "channel": "CAM_FRONT"}],
        "calibrated_sensor": [
            {"token": "cl", "sensor_token": "l", "camera_intrinsic": [], **pose},
            {"token": "cc", "sensor_token": "c", "camera_intrinsic": [[40, 0, 31.5], [0, 40, 23.5], [0, 0, 1]], **pose},
        ],
        "ego_pose": [{"token": "e", **pose}],
        "sample_data": [],
        "lidarseg": [],
    }
    for i in (0, 1):
        common = {"sample_token": f"f{i}", "ego_pose_token": "e", "timestamp": i, "is_key_frame": True}
        lidar = {
            "token": f"l{i}",
            "calibrated_sensor_token": "cl",
            "width": 0,
            "height": 0,
            "filename": f"data/{i}.pcd.bin",
        }
        camera = {
            "token": f"c{i}",
            "calibrated_sensor_token": "cc",
            "width": 64,
            "height": 48,
            "filename": f"data/{i}.jpg",
        }
        tables["sample_data"] += [common | lidar, common | camera]
        tables["lidarseg"].append({"token": f"l{i}", "sample_data_token": f"l{i}", "filename": f"data/{i}.label.bin"})
        np.ones((9, 5), np.float32).tofile(root / "data" / f"{i}.pcd.bin")
        np.full(9, 24, np.uint8).tofile(root / "data" / f"{i}.label.bin")
        Image.new("RGB", (64, 48)).save(root / "data" / f"{i}.jpg")
    for name, records in tables.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(records))
    return root


def _edit_table(root, name, change):
    path = root / "v1.0-mini" / f"{name}.json"
    records = json.loads(path.read_text())
    change(records)
    path.write_text(json.dumps(records))


NUSCENES_FRAME_FAULTS = {
    "sweep missing": lambda r: (r / "data" / "1.pcd.bin").unlink(),
    "sweep of four columns": lambda r: np.ones((9, 4), np.float32).tofile(r / "data" / "1.pcd.bin"),
    "labels missing": lambda r: (r / "data" / "1.label.bin").unlink(),
    "one label more": lambda r: np.full(10, 24, np.uint8).tofile(r / "data" / "1.label.bin"),
    "label of no class": lambda r: np.full(9, 32, np.uint8).tofile(r / "data" / "1.label.bin"),
    "camera missing": lambda r: _edit_table(r, "sample_data", lambda t: t.pop(3)),
    "sweep record missing": lambda r: _edit_table(r, "sample_data", lambda t: t.pop(2)),
    "camera without size": lambda r: _edit_table(r, "sample_data", lambda t: t[3].update(width=None)),
}
NUSCENES_TABLE_FAULTS = {
    "table missing": lambda r: (r / "v1.0-mini" / "sample_data.json").unlink(),
    "table cut": lambda r: (r / "v1.0-mini" / "sample_data.json").write_text('[{"token": "l0", "sample_to'),
    "table not JSON": lambda r: (r / "v1.0-mini" / "scene.json").write_text("<html>"),
    "table empty": lambda r: (r / "v1.0-mini" / "scene.json").write_text(""),
    "table of numbers": lambda r: (r / "v1.0-mini" / "sample.json").write_text("[1, 2]"),
    "key missing": lambda r: _edit_table(r, "sample_data", lambda t: t[0].pop("filename")),
    "not UTF-8": lambda r: (r / "v1.0-mini" / "ego_pose.json").write_bytes(b'[{"token": "\xff\xfe"}]'),
    "pose of three numbers": lambda r: _edit_table(r, "ego_pose", lambda t: t[0].update(rotation=[1.0, 0.0, 0.0])),
    "pose is a text": lambda r: _edit_table(r, "ego_pose", lambda t: t[0].update(translation=["a", "b", "c"])),
}


@pytest.mark.parametrize("fault", NUSCENES_FRAME_FAULTS)
def test_a_damaged_nuscenes_frame_is_named_and_the_other_loads(fault, tmp_path):
    NUSCENES_FRAME_FAULTS[fault](_write_nuscenes(tmp_path))
    data_set = NuScenes(tmp_path, "v1.0-mini", cameras=["CAM_FRONT"])
    with pytest.raises(BadDataset, match="scene-0001/f1"):
        data_set[1]
    assert len(data_set[0].cloud) == 9


@pytest.mark.parametrize("fault", NUSCENES_TABLE_FAULTS)
def test_damaged_nuscenes_tables_are_refused_at_once_by_name(fault, tmp_path):
    NUSCENES_TABLE_FAULTS[fault](_write_nuscenes(tmp_path))
    with pytest.raises(BadDataset, match=r"(scene|sample|sample_data|ego_pose)\.json"):
        NuScenes(tmp_path, "v1.0-mini", cameras=["CAM_FRONT"])


def test_poses_that_are_missing_or_not_rotations_name_the_frame(tmp_path):
    root = _write_nuscenes(tmp_path)
    for change in (
        lambda t: t.clear(),
        lambda t: t.append({"token": "e", "rotation": [0.0] * 4, "translation": [0.0] * 3}),
    ):
        _edit_table(root, "ego_pose", change)
        with pytest.raises(BadDataset, match="scene-0001/f0"):
            NuScenes(root, "v1.0-mini", cameras=["CAM_FRONT"])[0]
