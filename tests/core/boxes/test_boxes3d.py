"""Boxes3d: arrays that belong together, or one clear line."""

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d, require_boxes
from lidar_vl_core.foundation.errors import BadBoxes

CAR = [10.0, 2.0, -0.5, 4.2, 1.8, 1.5, 0.3]


def test_drawn_boxes_have_full_score_and_no_velocity():
    boxes = Boxes3d.of(np.array([CAR, CAR]), np.array([3, 6]), frame_id="lidar")
    assert len(boxes) == 2
    assert boxes.score.tolist() == [1.0, 1.0]
    assert np.isnan(boxes.velocity_mps).all()
    assert boxes.taken(np.array([False, True])).class_id.tolist() == [6]
    assert boxes.taken(np.array([1, 0])).class_id.tolist() == [6, 3]


def test_no_boxes_are_boxes_too():
    assert len(Boxes3d.of(np.zeros((0, 7)), np.zeros(0))) == 0


@pytest.mark.parametrize(
    ("place", "value", "told"), [(0, np.nan, "finite"), (2, np.inf, "finite"), (4, -1.0, "sizes >= 0")]
)
def test_boxes_that_cannot_be_are_told_with_their_row(place, value, told):
    wrong = np.array([CAR, CAR])
    wrong[1, place] = value
    with pytest.raises(BadBoxes, match=f"{told}.*row 1"):
        Boxes3d.of(wrong, np.array([3, 3]))


@pytest.mark.parametrize("shape", [(7,), (2, 8), (2, 6)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(BadBoxes, match="expected shape"):
        require_boxes(np.zeros(shape))


def test_arrays_of_other_lengths_are_refused():
    with pytest.raises(BadBoxes, match="class_id"):
        Boxes3d.of(np.array([CAR]), np.array([3, 3]))
