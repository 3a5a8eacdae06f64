"""Targets of CenterPoint: Gaussians, cells and numbers, and decoding them gives the boxes again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.box_heads.center_maps import CenterGrid, boxes_of_center_maps
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from offline_training.networks.centerpoint.targets import axis_yaw, draw_gaussian, gaussian_radius, scan_targets

GRID, SHAPE = CenterGrid(-8.0, -4.0, (0.5, 0.25)), (32, 40)


def boxes_at(centres: list[tuple[float, float]], class_id: list[int], seed: int = 0) -> Boxes3d:
    rng = np.random.default_rng(seed)
    count = len(centres)
    boxes = np.column_stack(
        [
            np.array(centres, float).reshape(-1, 2),
            rng.uniform(-2, 1, count),
            rng.uniform(0.3, 4, (count, 3)),
            rng.uniform(-3, 3, count),
        ]
    )
    return Boxes3d.of(boxes, class_id, velocity_mps=rng.normal(0, 2, (count, 2)))


def test_a_centre_is_one_and_what_is_far_is_zero():
    heat = np.zeros((9, 11), np.float32)
    draw_gaussian(heat, 3, 4, 2)
    for row in range(9):
        for column in range(11):
            far = max(abs(row - 4), abs(column - 3)) > 2
            squared = (row - 4) ** 2 + (column - 3) ** 2
            assert heat[row, column] == pytest.approx(0 if far else math.exp(-squared / (2 * (5 / 6) ** 2)))
    before = heat.copy()
    draw_gaussian(heat, 10, 8, 3)  # at the corner
    assert heat[8, 10] == 1
    assert (heat >= before).all()


def test_the_reach_is_that_of_cornernet_and_two_at_least():
    assert gaussian_radius(np.array([0.1, 4.0]), np.array([0.1, 2.0])).tolist() == [2, 2]
    length, width, overlap = 30.0, 12.0, 0.1
    cases = (
        (1, length + width, width * length * (1 - overlap) / (1 + overlap)),
        (4, 2 * (length + width), (1 - overlap) * width * length),
        (4 * overlap, -2 * overlap * (length + width), (overlap - 1) * width * length),
    )
    expected = min((b + math.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in cases)
    assert gaussian_radius(np.array([length]), np.array([width])).tolist() == [int(expected)]


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_decoding_the_targets_gives_the_boxes_again(seed):
    rng = np.random.default_rng(seed)
    cells = rng.choice(8 * 10, 12, replace=False)  # apart by four cells, so that each centre is a peak of its own
    centres = [
        (-8 + 0.5 * (4 * (c % 8) + rng.uniform(0, 1)), -4 + 0.25 * (4 * (c // 8) + rng.uniform(0, 1))) for c in cells
    ]
    truth = boxes_at(centres, rng.integers(2, 5, 12).tolist(), seed)
    classes = (4, 2)
    targets = scan_targets(truth, classes, GRID, SHAPE)
    width, height = SHAPE
    maps = {
        name: np.zeros((count, height, width))
        for name, count in (("center", 2), ("center_z", 1), ("dim", 3), ("rot", 2), ("vel", 2))
    }
    first = 0
    for array in maps.values():
        array[:, targets.cell // width, targets.cell % width] = targets.value[:, first : first + len(array)].T
        first += len(array)
    with np.errstate(divide="ignore"):
        maps["hm"] = np.log(targets.heat) - np.log1p(-np.minimum(targets.heat, 1 - 1e-6))
    found = boxes_of_center_maps(maps, GRID, classes, BoxSelection(0.999, 100, 1.0, 100))
    expected = truth.taken(np.flatnonzero(np.isin(truth.class_id, classes)))
    order, other = np.lexsort(found.boxes[:, :2].T), np.lexsort(expected.boxes[:, :2].T)
    np.testing.assert_allclose(found.boxes[order], expected.boxes[other], atol=1e-4)
    np.testing.assert_array_equal(found.class_id[order], expected.class_id[other])
    np.testing.assert_allclose(found.velocity_mps[order], expected.velocity_mps[other], atol=1e-6)


def test_boxes_outside_the_map_and_of_other_groups_have_no_target():
    truth = boxes_at([(0, 0), (8.0, 0), (0, 6.0), (-8.01, 0), (1, 1)], [0, 0, 0, 0, 3])
    targets = scan_targets(truth, (0, 1), GRID, SHAPE)
    assert targets.cell.tolist() == [16 * 32 + 16]
    assert targets.heat.shape == (2, 40, 32)
    assert targets.heat[1].max() == 0


def test_a_scan_without_boxes_has_an_empty_heat_map():
    targets = scan_targets(boxes_at([], []), (0,), GRID, SHAPE)
    assert targets.heat.max() == 0
    assert targets.value.shape == (0, 10)


@given(st.floats(-20, 20), st.integers(-3, 3))
def test_front_and_back_have_one_axis(yaw_rad, half_turns):
    axis = axis_yaw(np.array([yaw_rad]))
    assert -math.pi / 4 <= axis[0] < 3 * math.pi / 4
    assert math.sin(axis[0] - yaw_rad) == pytest.approx(0, abs=1e-9)
    turned = axis_yaw(np.array([yaw_rad + half_turns * math.pi]))
    near_the_jump = min(abs(axis[0] + math.pi / 4), abs(axis[0] - 3 * math.pi / 4)) < 1e-9
    assert near_the_jump or turned == pytest.approx(axis, abs=1e-9)


def test_where_the_axis_alone_is_learnt_boxes_turned_by_half_have_the_same_targets():
    truth = boxes_at([(0, 0), (4, 3)], [0, 0])
    turned = Boxes3d.of(
        truth.boxes + np.array([0, 0, 0, 0, 0, 0, math.pi]), truth.class_id, velocity_mps=truth.velocity_mps
    )
    one, other = (scan_targets(boxes, (0,), GRID, SHAPE, axis_alone=True).value for boxes in (truth, turned))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(scan_targets(turned, (0,), GRID, SHAPE).value - other).max() > 0.1
