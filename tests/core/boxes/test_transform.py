"""Boxes in other frames: there and back, and nothing between them changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import box_corners
from lidar_vl_core.boxes.iou import bev_iou, iou_3d
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from lidar_vl_core.boxes.transform import boxes_in_frame, transformed_boxes
from lidar_vl_core.foundation.errors import BadBoxes, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.written.made_boxes import made_boxes

seeds = st.integers(0, 10_000)
metres = st.floats(-1e5, 1e5)
angles = st.floats(-np.pi, np.pi)


def tilted(yaw_rad: float, roll_rad: float, translation_m: tuple[float, float, float]) -> RigidTransform:
    """A turn about z, then a lean about x."""
    about_z = RigidTransform.from_quaternion([0, 0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)], [0, 0, 0])
    about_x = RigidTransform.from_quaternion([np.sin(roll_rad / 2), 0, 0, np.cos(roll_rad / 2)], translation_m)
    return about_x @ about_z


def angle_between(a_rad: np.ndarray, b_rad: np.ndarray) -> np.ndarray:
    return np.abs(np.arctan2(np.sin(a_rad - b_rad), np.cos(a_rad - b_rad)))


@given(seeds, angles, st.tuples(metres, metres, metres))
def test_frames_with_one_z_axis_keep_corners_overlaps_and_points(seed, yaw_rad, translation_m):
    rng = np.random.default_rng(seed)
    boxes, xyz_m = made_boxes(rng, 8, 5.0), rng.uniform(-5, 5, (50, 3))
    T_b_a = tilted(yaw_rad, 0.0, translation_m)
    there = transformed_boxes(boxes, T_b_a)
    expected_m = T_b_a.apply(box_corners(boxes).reshape(-1, 3)).reshape(-1, 8, 3)
    assert_allclose(box_corners(there), expected_m, atol=1e-8)
    assert_allclose(bev_iou(there, there), bev_iou(boxes, boxes), atol=1e-8)
    assert_allclose(iou_3d(there, there), iou_3d(boxes, boxes), atol=1e-8)
    assert np.array_equal(box_of_points(T_b_a.apply(xyz_m), there), box_of_points(xyz_m, boxes))


@given(seeds, angles, st.floats(-0.5, 0.5), st.tuples(metres, metres, metres))
def test_the_inverse_brings_boxes_back_to_a_quarter_of_the_squared_tilt(seed, yaw_rad, roll_rad, translation_m):
    boxes = made_boxes(np.random.default_rng(seed), 8, 50.0)
    T_b_a = tilted(yaw_rad, roll_rad, translation_m)
    there = transformed_boxes(boxes, T_b_a)
    back = transformed_boxes(there, T_b_a.inverse())
    assert ((there[:, 6] >= -np.pi) & (there[:, 6] <= np.pi)).all()
    assert_allclose(back[:, :6], boxes[:, :6], atol=1e-8)
    most_rad = np.arcsin(np.tan(0.5 * roll_rad) ** 2)  # a quarter of the square, and what follows in the series
    assert angle_between(there[:, 6], boxes[:, 6] + yaw_rad).max() <= most_rad + 1e-9
    assert angle_between(back[:, 6], boxes[:, 6]).max() <= 2 * most_rad + 1e-9


def test_velocities_turn_with_their_boxes_and_unknown_ones_stay_unknown():
    velocity_mps = np.array([[2.0, 0.0], [np.nan, np.nan]])
    boxes = Boxes3d.of(made_boxes(np.random.default_rng(0), 2, 5.0), np.array([1, 2]), velocity_mps=velocity_mps)
    there = boxes_in_frame(boxes, tilted(np.pi / 2, 0.0, (100.0, 0.0, 0.0)), "map")
    assert_allclose(there.velocity_mps, [[0.0, 2.0], [np.nan, np.nan]], atol=1e-6)
    assert there.velocity_mps.dtype == np.float32
    assert there.frame_id == "map"
    assert np.array_equal(there.class_id, boxes.class_id)
    assert_allclose(there.boxes[:, 0], 100.0 - boxes.boxes[:, 1])


def test_no_boxes_are_in_every_frame():
    none = Boxes3d.of(np.zeros((0, 7)), np.zeros(0))
    assert len(boxes_in_frame(none, RigidTransform.identity(), "map")) == 0


@pytest.mark.parametrize("roll_rad", [0.53, np.pi / 2, np.pi])
def test_frames_that_do_not_both_stand_upright_are_refused(roll_rad):
    boxes = made_boxes(np.random.default_rng(0), 1, 5.0)
    with pytest.raises(BadTransform, match="upright"):
        transformed_boxes(boxes, tilted(0.3, roll_rad, (0.0, 0.0, 0.0)))


def test_boxes_that_cannot_be_are_refused():
    with pytest.raises(BadBoxes, match="sizes"):
        transformed_boxes(np.array([[0, 0, 0, 1, -1, 1, 0]]), RigidTransform.identity())
