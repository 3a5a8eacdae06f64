"""Boxes of PandaSet: its yaw on real points and real ways, and there and back."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.pandaset import PandaSetBoxes, boxes_of_pandaset, pandaset_of_boxes
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.recordings import recording
from tests.written.made_boxes import made_boxes

CAR = PandaSetBoxes(np.array([[10.0, 2.0, 1.0]]), np.array([[1.9, 4.6, 1.7]]), np.zeros(1))


def real_cuboids(folder: Path, frame: str) -> tuple[PandaSetBoxes, list[dict]]:
    cuboids = json.loads((folder / "annotations" / f"{frame}.cuboids.json").read_text())
    columns = [
        np.array([[cuboid[f"{name}_{axis}"] for axis in "xyz"] for cuboid in cuboids])
        for name in ("position", "dimensions")
    ]
    return PandaSetBoxes(*columns, np.array([cuboid["yaw"] for cuboid in cuboids])), cuboids


def test_without_yaw_the_length_lies_along_y():
    found = boxes_of_pandaset(CAR, RigidTransform.identity())
    assert_allclose(found, [[10.0, 2.0, 1.0, 4.6, 1.9, 1.7, np.pi / 2]])


@given(st.integers(0, 10_000), st.floats(-np.pi, np.pi), st.tuples(*[st.floats(-1e4, 1e4)] * 3))
def test_boxes_of_a_sweep_go_to_the_world_and_back(seed, yaw_rad, place_m):
    boxes = made_boxes(np.random.default_rng(seed), 10, 50.0)
    T_world_lidar = RigidTransform.from_quaternion([0, 0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)], place_m)
    written = pandaset_of_boxes(boxes, T_world_lidar)
    assert (np.abs(written.yaw_rad) <= np.pi).all()
    back = boxes_of_pandaset(written, T_world_lidar.inverse())
    assert_allclose(back[:, :6], boxes[:, :6], atol=1e-8)
    assert_allclose(np.cos(back[:, 6] - boxes[:, 6]), 1.0, atol=1e-12)


@pytest.mark.parametrize("frame", ["00", "36"])
def test_the_points_of_cars_lie_in_the_boxes_of_cars(real_data, frame):
    folder = recording(real_data, "pandaset_*/annotations").parent
    pose = json.loads((folder / "meta.json").read_text())["frames"][frame]["lidar_pose_world"]
    T_world_lidar = RigidTransform.from_quaternion(
        [pose["heading"][axis] for axis in "xyzw"], [pose["position"][axis] for axis in "xyz"]
    )
    written, cuboids = real_cuboids(folder, frame)
    is_car = np.array([cuboid["label"] == "Car" for cuboid in cuboids])
    boxes = boxes_of_pandaset(written, T_world_lidar.inverse())[is_car]
    names = json.loads((folder / "semseg_classes.json").read_text())
    car_id = next(int(number) for number, name in names.items() if name == "Car")
    with np.load(folder / "lidar" / f"{frame}.npz") as stored:
        xyz_m = T_world_lidar.inverse().apply(stored["xyz_world"].astype(np.float64))
        of_car = stored["label"] == car_id
    assert (box_of_points(xyz_m, boxes) >= 0)[of_car].mean() > 0.985
    assert of_car[box_of_points(xyz_m, boxes) >= 0].mean() > 0.94
    boxes[:, 6] += np.pi / 2
    assert (box_of_points(xyz_m, boxes) >= 0)[of_car].mean() < 0.4


def test_what_moves_moves_along_its_heading(real_data):
    folder = recording(real_data, "pandaset_*/annotations").parent
    way = defaultdict(list)
    for frame in ("00", "10", "20", "30"):
        written, cuboids = real_cuboids(folder, frame)
        for box, cuboid in zip(boxes_of_pandaset(written, RigidTransform.identity()), cuboids, strict=True):
            way[cuboid["uuid"]].append(box)
    along = []
    for boxes in way.values():
        for before, after in pairwise(boxes):
            moved_m = after[:2] - before[:2]
            if (distance_m := np.linalg.norm(moved_m)) > 5.0:
                along.append(moved_m @ [np.cos(before[6]), np.sin(before[6])] / distance_m)
    assert len(along) > 20
    assert np.median(along) > 0.99
    assert min(along) > 0.7


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"yaw_rad": np.array([np.inf])}, "yaw_rad: expected finite"),
        ({"yaw_rad": np.zeros(2)}, r"yaw_rad: expected shape \(1,\)"),
        ({"dimensions_m": np.array([[1.0, -2.0, 1.0]])}, "sizes >= 0"),
        ({"position_m": np.zeros((1, 2))}, r"position_m: expected shape \(1, 3\)"),
    ],
)
def test_arrays_that_are_no_boxes_are_refused(change, told):
    with pytest.raises(BadBoxes, match=told):
        boxes_of_pandaset(CAR._replace(**change), RigidTransform.identity())
