"""S3DIS that is damaged is refused by what is wrong: rooms, converted rooms, and poses of images."""

import json
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadDataset, BadLabels, LidarVlError
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.rgbd.s3dis import S3dis
from tests.training.datasets.rgbd.s3dis_rooms import walls, write_images, write_room


def _rewrite(pose: Path, **values: object) -> None:
    pose.write_text(json.dumps({**json.loads(pose.read_text()), **values}))


def _camera_to_world(pose: Path) -> None:
    matrix = RigidTransform.from_matrix(np.array(json.loads(pose.read_text())["camera_rt_matrix"])).inverse().matrix()
    _rewrite(pose, camera_rt_matrix=matrix[:3].tolist())


POSES = {
    "camera to world": (_camera_to_world, "from the world into the camera"),
    "no intrinsics": (lambda p: p.write_text('{"camera_rt_matrix": []}'), "expected camera_k_matrix"),
    "cut": (lambda p: p.write_text('{"camera'), "expected camera_k_matrix"),
    "intrinsics of zeros": (lambda p: _rewrite(p, camera_k_matrix=np.zeros((3, 3)).tolist()), "camera_k_matrix: K"),
}


@pytest.mark.parametrize("name", POSES)
def test_a_wrong_pose_file_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = POSES[name]
    write_room(tmp_path / "Area_1", "office_2")
    write_images(tmp_path / "area_1", "office_2")
    damage(min((tmp_path / "area_1" / "data" / "pose").iterdir()))
    with pytest.raises(BadDataset, match=told):
        S3dis(tmp_path)[0]


def test_a_pose_that_is_not_rigid_is_left_out_and_counted(tmp_path):
    write_room(tmp_path / "Area_1", "office_2")
    write_images(tmp_path / "area_1", "office_2")
    _rewrite(min((tmp_path / "area_1" / "data" / "pose").iterdir()), camera_rt_matrix=np.full((3, 4), np.nan).tolist())
    dataset = S3dis(tmp_path)
    assert (len(dataset[0].views), dataset.skipped_views(0)) == (3, 1)


ROOMS = {
    "words": (lambda a: (a / "ceiling_1.txt").write_text("a b c d e f\n"), "expected lines x y z red green blue"),
    "five numbers": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5\n"), "expected 6 numbers a line, found 5"),
    "a line cut": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5 6\n1 2\n"), "expected lines x y z"),
    "no objects": (lambda a: (a / "ceiling_1.txt").unlink(), "expected text files of objects"),
    "colours beyond 255": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5 999\n"), "expected colours 0 to 255"),
}


@pytest.mark.parametrize("name", ROOMS)
def test_a_damaged_room_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = ROOMS[name]
    damage(write_room(tmp_path / "Area_1", "office_2"))
    with pytest.raises(BadDataset, match=told):
        S3dis(tmp_path)[0]


CONVERTED = {
    "labels cut": (lambda f: np.arange(40).tofile(f / "semantic_mask" / "Area_1_office_2.bin"), "expected points"),
    "labels absent": (lambda f: (f / "semantic_mask" / "Area_1_office_2.bin").unlink(), "expected a readable file"),
    "points cut": (lambda f: (f / "points" / "Area_1_office_2.bin").write_bytes(b"\0" * 28), "expected rows of 6"),
    "a class too many": (
        lambda f: np.full(50, 13).tofile(f / "semantic_mask" / "Area_1_office_2.bin"),
        r"found \[13\]",
    ),
    "a name without area": (lambda f: (f / "points" / "Area_1_office_2.bin").rename(f / "points" / "x.bin"), "Rename"),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_a_damaged_converted_room_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = CONVERTED[name]
    for folder, values in (("points", walls(50).astype(np.float32)), ("semantic_mask", np.zeros(50, np.int64))):
        (tmp_path / folder).mkdir()
        values.tofile(tmp_path / folder / "Area_1_office_2.bin")
    damage(tmp_path)
    with pytest.raises(LidarVlError, match=told) as refusal:
        S3dis(tmp_path)[0]
    assert isinstance(refusal.value, BadDataset | BadLabels)
