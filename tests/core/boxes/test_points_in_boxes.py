"""Points in boxes: equal to a look at every point of every box; the faces belong to a box."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.points_in_boxes import box_of_points, count_points_in_boxes, points_in_boxes
from lidar_vl_core.foundation.errors import BadBoxes, BadPointCloud
from tests.recordings import recording
from tests.written.made_boxes import made_boxes

CAR = np.array([[10.0, 2.0, -0.5, 4.0, 2.0, 1.5, 0.3]])


def reference(xyz_m: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N, M) bool: every point seen from every box."""
    inside = np.zeros((len(xyz_m), len(boxes)), bool)
    for column, (x, y, z, length, width, height, yaw) in enumerate(boxes.astype(np.float64)):
        dx, dy, dz = (xyz_m.astype(np.float64) - (x, y, z)).T
        along, across = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
        inside[:, column] = (abs(along) <= length / 2) & (abs(across) <= width / 2) & (abs(dz) <= height / 2)
    return inside


def assert_as_the_reference(xyz_m: np.ndarray, boxes: np.ndarray) -> None:
    inside = reference(xyz_m, boxes)
    point_row, box_row = points_in_boxes(xyz_m, boxes)
    expected_box, expected_point = np.nonzero(inside.T)
    assert np.array_equal(point_row, expected_point)
    assert np.array_equal(box_row, expected_box)
    assert np.array_equal(count_points_in_boxes(xyz_m, boxes), inside.sum(axis=0))
    first = np.where(inside.any(axis=1), inside.argmax(axis=1) if inside.size else 0, -1)
    assert np.array_equal(box_of_points(xyz_m, boxes), first)


@settings(max_examples=200)
@given(
    st.integers(0, 10_000),
    st.integers(0, 400),
    st.integers(0, 12),
    st.sampled_from((0.0, 3.0, 40.0)),
    st.sampled_from((np.float32, np.float64)),
)
def test_every_box_has_the_points_that_a_look_at_all_of_them_finds(seed, points, count, reach_m, dtype):
    rng = np.random.default_rng(seed)
    boxes = made_boxes(rng, count, reach_m)
    xyz_m = rng.uniform(-reach_m - 3, reach_m + 3, (points, 3)).astype(dtype)
    assert_as_the_reference(xyz_m, boxes)


def test_a_whole_scan_and_two_hundred_boxes():
    rng = np.random.default_rng(0)
    xyz_m = np.column_stack([rng.normal(0, 20, (100_000, 2)), rng.uniform(-2, 2, 100_000)]).astype(np.float32)
    boxes = made_boxes(rng, 200, 60.0)
    assert_as_the_reference(xyz_m, boxes)


@settings(max_examples=100)
@given(st.integers(0, 10_000))
def test_all_six_faces_belong_to_a_box(seed):
    """Half metres are exact, so that many points lie on faces, edges and corners."""
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([rng.integers(-4, 5, (6, 3)), rng.integers(0, 5, (6, 3)), np.zeros(6)]).astype(np.float64)
    xyz_m = rng.integers(-10, 11, (500, 3)) / 2
    assert_as_the_reference(xyz_m, boxes)


def test_a_point_on_a_corner_is_inside_and_one_beyond_it_is_not():
    box = np.array([[1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 0.0]])
    corner_m = np.array([[3.0, 3.0, 3.5]])
    assert count_points_in_boxes(corner_m, box).tolist() == [1]
    for axis in range(3):
        beyond_m = corner_m.copy()
        beyond_m[0, axis] += 1e-9
        assert count_points_in_boxes(beyond_m, box).tolist() == [0]


def test_in_the_coordinates_of_a_map_the_same_points_are_inside():
    rng = np.random.default_rng(1)
    boxes = np.round(made_boxes(rng, 50, 20.0) * 256) / 256
    xyz_m = np.round(rng.uniform(-20, 20, (20_000, 3)) * 256) / 256
    far_m = np.array([5e6, -4e6, 1e3])  # 1/256 m is exact there, too
    there = np.column_stack([boxes[:, :3] + far_m, boxes[:, 3:]])
    assert np.array_equal(box_of_points(xyz_m + far_m, there), box_of_points(xyz_m, boxes))


def test_boxes_in_each_other_have_more_points_than_there_are():
    xyz_m = np.random.default_rng(2).uniform(-1, 1, (100, 3))
    boxes = np.tile([0.0, 0, 0, 4, 4, 4, 0.1], (30, 1))
    assert count_points_in_boxes(xyz_m, boxes).tolist() == [100] * 30
    assert box_of_points(xyz_m, boxes).tolist() == [0] * 100


def test_points_that_are_not_finite_lie_in_no_box():
    xyz_m = np.array([[np.nan, 2, -0.5], [10, np.inf, -0.5], [10, 2, -np.inf], [10, 2, -0.5]], np.float32)
    assert box_of_points(xyz_m, CAR).tolist() == [-1, -1, -1, 0]


@pytest.mark.parametrize(
    "box",
    [
        [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 5e-324, 5e-324, 0.0, 0.7],
        [1.0, 1.0, 1.0, 1e49, 1e49, 1e49, 0.7],
    ],
)
def test_a_box_of_no_size_or_a_huge_one_has_its_centre(box):
    boxes = np.array([box])
    assert box_of_points(boxes[:, :3], boxes).tolist() == [0]


def test_without_points_or_boxes_nothing_is_inside():
    assert count_points_in_boxes(np.zeros((0, 3)), CAR).tolist() == [0]
    assert box_of_points(np.zeros((2, 3)), np.zeros((0, 7))).tolist() == [-1, -1]
    assert count_points_in_boxes(np.zeros((2, 3)), np.zeros((0, 7))).shape == (0,)


def test_columns_of_a_wider_array_and_other_number_types_are_taken():
    rows = np.random.default_rng(3).uniform(-3, 3, (500, 5)).astype(np.float32)
    box = np.array([[0, 0, 0, 3, 2, 2, 1]])
    assert_as_the_reference(rows[:, :3], box)
    assert_as_the_reference(np.round(rows[:, :3]).astype(np.int16), box.astype(np.float32))


@pytest.mark.parametrize("xyz_m", [np.zeros(3), np.zeros((5, 4))])
def test_points_of_another_shape_are_refused(xyz_m):
    with pytest.raises(BadPointCloud, match="expected shape"):
        points_in_boxes(xyz_m, CAR)


def test_boxes_that_cannot_be_are_refused():
    with pytest.raises(BadBoxes, match="finite"):
        points_in_boxes(np.zeros((1, 3)), CAR * np.nan)


def test_boxes_of_nuscenes_have_as_many_points_as_its_makers_counted(real_data):
    """61 of 69 exactly, 29 of 1009 points apart: their boxes were rounded after counting."""
    folder = recording(real_data, "nuscenes_*/frame.json").parent
    drawn = json.loads((folder / "frame.json").read_text())["boxes"]
    xyz_m = np.fromfile(recording(folder, "*.pcd.bin"), np.float32).reshape(-1, 5)[:, :3]
    boxes = np.array([[*box["center"], *box["lwh"], box["yaw"]] for box in drawn])
    counted = np.array([box["num_lidar_pts"] for box in drawn])
    difference = np.abs(count_points_in_boxes(xyz_m, boxes) - counted)
    assert counted.sum() == 1009
    assert difference.sum() <= 29
    assert (difference == 0).sum() >= 61
