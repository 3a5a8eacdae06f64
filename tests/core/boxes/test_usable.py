"""Boxes that are told: best first, and nothing that is not a number, a class or a size."""

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.usable import usable_boxes
from lidar_vl_core.classes.known_tables import class_table

CLASSES = class_table("kitti3")


def _boxes(*rows, velocity=(np.nan, np.nan)):
    """Rows of x, class, score."""
    boxes = [[x, 0, 0, 4, 2, 1.5, 0] for x, _, _ in rows]
    velocity_mps = np.tile(np.array(velocity, np.float32), (len(rows), 1))
    return Boxes3d.of(boxes, [row[1] for row in rows], [row[2] for row in rows], velocity_mps, "lidar")


def test_boxes_fall_in_score_and_equal_ones_stay_in_their_order():
    told, left_out = usable_boxes(_boxes((1, 0, 0.5), (2, 1, 0.9), (3, 2, 0.5), (4, 0, 0.0), (5, 0, 1.0)), CLASSES)
    assert told.boxes[:, 0].tolist() == [5, 2, 1, 3, 4]
    assert (left_out, told.frame_id) == (0, "lidar")


def test_what_cannot_be_is_left_out_and_counted():
    boxes = _boxes((1, 0, np.nan), (1, 0, 1.5), (1, 0, -0.1), (1, 200, 0.5), (1, 255, 0.5), (1, 0, 0.5), (1, 1, 0.7))
    boxes.boxes[5, 4] = 0.0
    told, left_out = usable_boxes(boxes, CLASSES)
    assert told.class_id.tolist() == [1]
    assert left_out == 6


@pytest.mark.parametrize("velocity", [(np.inf, 1.0), (1.0, -np.inf), (np.nan, 0.0)])
def test_a_velocity_that_is_no_number_is_not_known(velocity):
    assert np.isnan(usable_boxes(_boxes((1, 0, 0.5), velocity=velocity), CLASSES).boxes.velocity_mps).all()


def test_a_velocity_is_told_as_it_is_and_no_boxes_are_no_boxes():
    assert usable_boxes(_boxes((1, 0, 0.5), velocity=(2.0, 1.0)), CLASSES).boxes.velocity_mps.tolist() == [[2.0, 1.0]]
    assert len(usable_boxes(_boxes(), CLASSES).boxes) == 0
