"""Posed RGB-D folders that are damaged, or asked for what they do not have, are refused by what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.ply import ply_bytes
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, LidarVlError
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder, RgbdFolderSource
from tests.written.rgbd_scenes import (  # fmt: skip
    LOST,
    save,
    write_seven_scenes,
)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def _all_lost(folder: Path) -> None:
    for path in folder.glob("*.pose.txt"):
        np.savetxt(path, LOST)


DAMAGE = {
    "no depth image": (lambda f: (f / "frame-000001.depth.png").unlink(), "frame-000001.depth.png: expected this image"),
    "no colour image": (lambda f: (f / "frame-000001.color.png").unlink(), "frame-000001.color.jpg: expected this image"),
    "depth cut": (lambda f: _cut(f / "frame-000001.depth.png"), "readable depth image"),
    "colour cut": (lambda f: _cut(f / "frame-000001.color.png"), "readable image"),
    "depth of 8 bits": (lambda f: save(f / "frame-000001.depth.png", np.ones((48, 64), np.uint8)), "one channel of 16 bits"),
    "depth in colours": (lambda f: save(f / "frame-000001.depth.png", np.ones((4, 6, 3), np.uint8)), "one channel of 16 bits"),
    "pose of three numbers": (lambda f: (f / "frame-000001.pose.txt").write_text("1 2 3\n"), "expected 4x4 numbers"),
    "pose of words": (lambda f: (f / "frame-000001.pose.txt").write_text("a b\n"), "expected rows of numbers"),
    "all poses lost": (_all_lost, "expected frames with a finite and rigid pose, found none among 2"),
    "no intrinsics": (lambda f: (f / "camera-intrinsics.txt").unlink(), "expected the camera's matrix"),
    "intrinsics of zeros": (lambda f: np.savetxt(f / "camera-intrinsics.txt", np.zeros((3, 3))), "camera matrix for"),
    "two clouds": (lambda f: [(f / n).write_bytes(b"ply\n") for n in ("a.ply", "b.ply")], "expected one .ply"),
    "a cloud that is none": (lambda f: (f / "a.ply").write_bytes(b"nothing"), "from `ply` to `end_header`"),
    "poses in millimetres": (
        lambda f: np.savetxt(f / "frame-000001.pose.txt", RigidTransform(np.eye(3), np.array([1e6, 0, 0])).matrix()),
        "not in metres",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_scene_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = DAMAGE[name]
    folder = write_seven_scenes(tmp_path / "room", 2)
    damage(folder)
    with pytest.raises(LidarVlError, match=told):
        RgbdFolder(folder)[0]


def test_an_unknown_scene_or_an_unlabelled_cloud_is_refused(tmp_path):
    folder = write_seven_scenes(tmp_path / "room", 2)
    with pytest.raises(BadDataset, match="found room, none for kitchen"):
        RgbdFolder(tmp_path, ["kitchen"])
    with pytest.raises(BadDataset, match="expected the labels label"):
        RgbdFolder(folder, label_field="label")[0]


def test_check_data_finds_poses_stored_the_wrong_way_round(tmp_path, capsys):
    folder = write_seven_scenes(tmp_path / "room")
    cloud = RgbdFolder(folder)[0].cloud
    (folder / "room.ply").write_bytes(ply_bytes({name: cloud.xyz_m[:, k] for k, name in enumerate("xyz")}))
    assert main(["check-data", "rgbd_folder", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "8 views, 0 left out" in out
    assert out.count("on points of the scene") == 3  # the first, the middle and the last of eight
    for path in folder.glob("*.pose.txt"):
        np.savetxt(path, np.linalg.inv(np.loadtxt(path)))
    assert main(["check-data", "rgbd_folder", str(folder)]) == 2
    assert "check that the pose is camera to world" in capsys.readouterr().out


def test_keys_that_change_nothing_about_a_folder_are_refused(tmp_path):
    scenes, pictures = write_seven_scenes(tmp_path / "scenes"), tmp_path / "pictures"
    with pytest.raises(BadConfig, match="expected no key label_table, found no label_field"):
        open_source(RgbdFolderSource(folder=str(scenes), label_table="scannet"), class_table("scannet20"))
    pictures.mkdir()
    (pictures / "0001_depth_mm.png").write_bytes(b"")
    with pytest.raises(BadConfig, match="expected no key frames, view_step, found images of NYU Depth V2"):
        open_source(RgbdFolderSource(folder=str(pictures), frames=("0001",), view_step=2), class_table("nyu13"))
