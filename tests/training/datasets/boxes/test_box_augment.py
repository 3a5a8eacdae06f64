"""Flips, turns, scales and shifts of points and boxes together, and which boxes a detector is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import box_corners
from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from offline_training.datasets.augment.box_augment import BoxAugmentConfig, augment_boxes, trainable_boxes
from offline_training.datasets.augment.box_scan import (
    BoxScan,
    flipped_front_back,
    flipped_left_right,
    scaled,
    shifted,
    turned,
)

ALL_AROUND = BoxAugmentConfig(flip_front_back_probability=0.5, yaw_rad=np.pi, scale=(0.9, 1.1), shift_m=0.5)
_SHARE = st.floats(-1.25, 1.25, width=32)


@st.composite
def scans(draw) -> BoxScan:
    """One to five boxes of a few metres with points in and about each."""
    count, per_box = draw(st.integers(1, 5)), 6
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes = np.column_stack(
        [rng.uniform(-50, 50, (count, 3)), rng.uniform(0.5, 10, (count, 3)), rng.uniform(-4, 4, count)]
    )
    share = draw(arrays(np.float32, (count, per_box, 3), elements=_SHARE))
    c, s = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    local = share * boxes[:, None, 3:6] / 2
    x = c[:, None] * local[..., 0] - s[:, None] * local[..., 1]
    y = s[:, None] * local[..., 0] + c[:, None] * local[..., 1]
    xyz_m = (np.stack([x, y, local[..., 2]], axis=-1) + boxes[:, None, :3]).reshape(-1, 3).astype(np.float32)
    velocity = rng.normal(0, 5, (count, 2))
    return BoxScan(
        xyz_m,
        rng.random(len(xyz_m), np.float32),
        Boxes3d.of(boxes, rng.integers(0, 3, count), velocity_mps=velocity, frame_id="lidar"),
        np.full(count, per_box),
        rng.random(len(xyz_m), np.float32),
    )


def _membership(scan: BoxScan, margin_m: float) -> set[tuple[int, int]]:
    boxes = scan.boxes.boxes.copy()
    boxes[:, 3:6] = np.maximum(boxes[:, 3:6] + margin_m, 0)
    return set(zip(*(rows.tolist() for rows in points_in_boxes(scan.xyz_m, boxes)), strict=True))


@settings(max_examples=40)
@given(scans(), st.integers(0, 2**32 - 1))
def test_a_point_in_a_box_stays_in_it_and_one_outside_stays_outside(scan, seed):
    changed = augment_boxes(scan, ALL_AROUND, np.random.default_rng(seed))
    well_inside, nearly_inside = _membership(scan, -2e-3), _membership(scan, 2e-3)
    assert well_inside <= _membership(changed, 0.0) <= nearly_inside
    assert_array_equal(changed.intensity, scan.intensity)
    assert_array_equal(changed.time_lag_s, scan.time_lag_s)
    assert_array_equal(changed.boxes.class_id, scan.boxes.class_id)
    assert (np.abs(changed.boxes.boxes[:, 6]) <= np.pi).all()
    assert changed.xyz_m.dtype == changed.boxes.velocity_mps.dtype == np.float32


@settings(max_examples=40)
@given(scans(), st.integers(0, 2**32 - 1))
def test_boxes_overlap_as_before(scan, seed):
    changed = augment_boxes(scan, ALL_AROUND, np.random.default_rng(seed))
    assert_allclose(
        bev_iou(changed.boxes.boxes, changed.boxes.boxes), bev_iou(scan.boxes.boxes, scan.boxes.boxes), atol=1e-9
    )


@settings(max_examples=40)
@given(scans(), st.floats(-7, 7), st.floats(0.5, 2.0))
def test_each_change_is_undone_by_its_inverse(scan, angle, factor):
    shift = np.array([1.0, -2.0, 0.5])
    for change, back in (
        (flipped_left_right, flipped_left_right),
        (flipped_front_back, flipped_front_back),
        (lambda one: turned(one, angle), lambda one: turned(one, -angle)),
        (lambda one: scaled(one, factor), lambda one: scaled(one, 1 / factor)),
        (lambda one: shifted(one, shift), lambda one: shifted(one, -shift)),
    ):
        again = back(change(scan))
        assert_allclose(again.xyz_m, scan.xyz_m, atol=1e-4)
        assert_allclose(again.boxes.boxes[:, :6], scan.boxes.boxes[:, :6], atol=1e-9)
        assert_allclose(np.cos(again.boxes.boxes[:, 6] - scan.boxes.boxes[:, 6]), 1.0, atol=1e-9)
        assert_allclose(again.boxes.velocity_mps, scan.boxes.velocity_mps, atol=1e-4)


@pytest.mark.parametrize("change", [flipped_left_right, flipped_front_back, lambda one: turned(one, 0.3)])
@settings(max_examples=40)
@given(scan=scans())
def test_the_front_of_a_thing_stays_its_front_and_it_drives_on_the_way_it_did(change, scan):
    """The heading goes with the front corners, and a velocity with the way between two places."""
    moved = change(scan)
    middle = box_corners(moved.boxes.boxes)[:, :4].mean(axis=1)  # of the front face
    front = BoxScan(
        box_corners(scan.boxes.boxes)[:, :4].mean(axis=1).astype(np.float32), scan.intensity[: len(middle)], scan.boxes,
        scan.point_count,
    )  # fmt: skip
    assert_allclose(change(front).xyz_m, middle, atol=1e-3)
    later = np.column_stack([scan.boxes.boxes[:, :2] + scan.boxes.velocity_mps, scan.boxes.boxes[:, 2]])
    driven = change(BoxScan(later.astype(np.float32), front.intensity, scan.boxes, scan.point_count)).xyz_m
    assert_allclose(driven[:, :2] - moved.boxes.boxes[:, :2], moved.boxes.velocity_mps, atol=1e-3)


def test_unknown_velocities_stay_unknown_and_nothing_is_changed_in_place():
    boxes = Boxes3d.of([[1.0, 2, 3, 4, 5, 6, 0.5]], [0], frame_id="lidar")
    scan = BoxScan(np.ones((1, 3), np.float32), np.zeros(1, np.float32), boxes, np.ones(1, np.int64))
    changed = augment_boxes(scan, ALL_AROUND, np.random.default_rng(0))
    assert np.isnan(changed.boxes.velocity_mps).all()
    assert_array_equal(scan.xyz_m, np.ones((1, 3)))
    assert_array_equal(boxes.boxes, [[1.0, 2, 3, 4, 5, 6, 0.5]])


def test_a_scan_without_points_or_boxes_passes_through():
    none = BoxScan(
        np.zeros((0, 3), np.float32), np.zeros(0, np.float32), Boxes3d.of(np.zeros((0, 7)), []), np.zeros(0, np.int64)
    )
    assert len(augment_boxes(none, ALL_AROUND, np.random.default_rng(0))) == 0


def test_equal_seeds_give_equal_changes_and_others_do_not():
    boxes = Boxes3d.of([[1.0, 2, 3, 4, 5, 6, 0.5]], [0])
    scan = BoxScan(np.ones((1, 3), np.float32), np.zeros(1, np.float32), boxes, np.ones(1, np.int64))
    first, same, other = (augment_boxes(scan, BoxAugmentConfig(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(first.boxes.boxes, same.boxes.boxes)
    assert not np.array_equal(first.boxes.boxes, other.boxes.boxes)


def test_boxes_without_class_points_or_place_are_not_asked_for():
    boxes = np.tile([1.0, 2, 0, 4, 2, 1.5, 0.0], (5, 1))
    boxes[3, 0], boxes[4, 2] = 60.0, -9.0
    scan = BoxScan(
        np.zeros((0, 3), np.float32), np.zeros(0, np.float32), Boxes3d.of(boxes, [0, 255, 0, 0, 0]),
        np.array([5, 5, 4, 5, 5]),
    )  # fmt: skip
    kept = trainable_boxes(scan, (-50.0, -50.0, -5.0, 50.0, 50.0, 3.0), least_points=5)
    assert (len(kept.boxes), kept.point_count.tolist()) == (1, [5])
