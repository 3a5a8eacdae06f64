"""Corners in their documented order."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.corners import bev_corners, box_corners
from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.foundation.errors import BadBoxes
from tests.written.made_boxes import made_boxes


def test_the_order_is_front_then_behind_each_from_upper_left_clockwise():
    box = np.array([[10.0, 20.0, 30.0, 4.0, 2.0, 1.0, 0.0]])
    expected = [
        [12, 21, 30.5],
        [12, 19, 30.5],
        [12, 19, 29.5],
        [12, 21, 29.5],
        [8, 21, 30.5],
        [8, 19, 30.5],
        [8, 19, 29.5],
        [8, 21, 29.5],
    ]
    assert box_corners(box)[0].tolist() == expected
    assert bev_corners(box)[0].tolist() == [[12, 21], [8, 21], [8, 19], [12, 19]]


def test_a_quarter_turn_puts_the_front_on_the_left():
    box = np.array([[0.0, 0.0, 0.0, 4.0, 2.0, 1.0, np.pi / 2]])
    assert_allclose(bev_corners(box)[0], [[-1, 2], [-1, -2], [1, -2], [1, 2]], atol=1e-12)


def test_corners_span_the_box():
    boxes = made_boxes(np.random.default_rng(0), 200, 50.0)
    corners_m = box_corners(boxes)
    assert corners_m.shape == (200, 8, 3)
    assert_allclose(corners_m.mean(axis=1), boxes[:, :3], atol=1e-9)
    front_m = corners_m[:, :4].mean(axis=1) - corners_m[:, 4:].mean(axis=1)
    assert_allclose(np.linalg.norm(front_m, axis=1), boxes[:, 3])
    assert_allclose(np.arctan2(front_m[:, 1], front_m[:, 0]), np.arctan2(np.sin(boxes[:, 6]), np.cos(boxes[:, 6])))
    for upper, lower in ((0, 3), (1, 2), (4, 7), (5, 6)):
        assert_allclose(corners_m[:, upper] - corners_m[:, lower], boxes[:, 5:6] * (0, 0, 1), atol=1e-12)
    assert_allclose(bev_corners(boxes), corners_m[:, [0, 4, 5, 1], :2])


def test_corners_drawn_in_by_a_hair_lie_in_the_box_and_beyond_it_they_do_not():
    boxes = made_boxes(np.random.default_rng(1), 100, 2000.0)
    for scale, each in ((1 - 1e-6, 8), (1 + 1e-6, 0)):
        xyz_m = (boxes[:, None, :3] + scale * (box_corners(boxes) - boxes[:, None, :3])).reshape(-1, 3)
        point_row, box_row = points_in_boxes(xyz_m, boxes)
        assert (point_row // 8 == box_row).sum() == each * len(boxes)


def test_no_boxes_have_no_corners_and_wrong_ones_are_refused():
    assert box_corners(np.zeros((0, 7))).shape == (0, 8, 3)
    assert bev_corners(np.zeros((0, 7))).shape == (0, 4, 2)
    for corners in (box_corners, bev_corners):
        with pytest.raises(BadBoxes, match="finite"):
            corners(np.full((1, 7), np.nan))
