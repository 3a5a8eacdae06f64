"""The majority of labels in a box: equal to counting by hand; boxes without labelled points have none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.majority import majority_in_boxes
from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.foundation.errors import BadLabels
from tests.written.made_boxes import made_boxes


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 300), st.integers(0, 10), st.integers(1, 5))
def test_each_box_has_the_class_that_counting_finds(seed, points, count, classes):
    rng = np.random.default_rng(seed)
    boxes, xyz_m = made_boxes(rng, count, 6.0), rng.uniform(-8, 8, (points, 3)).astype(np.float32)
    class_id = rng.choice(np.array([*range(classes), 255], np.uint8), points)
    found = majority_in_boxes(xyz_m, class_id, boxes)
    point_row, box_row = points_in_boxes(xyz_m, boxes)
    for row in range(count):
        labels = [int(label) for label in class_id[point_row[box_row == row]] if label != 255]
        assert found.points[row] == len(labels)
        if labels:
            best = max(sorted(set(labels)), key=labels.count)
            assert found.class_id[row] == best
            assert found.share[row] == pytest.approx(labels.count(best) / len(labels))
        else:
            assert (found.class_id[row], found.share[row]) == (255, 0.0)


def test_no_points_and_no_boxes_give_no_opinions():
    no_points = majority_in_boxes(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8), np.ones((2, 7)))
    assert no_points.class_id.tolist() == [255, 255]
    assert len(majority_in_boxes(np.ones((3, 3), np.float32), np.zeros(3, np.uint8), np.zeros((0, 7))).class_id) == 0


@pytest.mark.parametrize("class_id", [np.zeros(2, np.uint8), np.zeros(3, np.int64)], ids=["too few", "other type"])
def test_labels_that_are_not_of_the_points_are_refused(class_id):
    with pytest.raises(BadLabels, match="one for each point"):
        majority_in_boxes(np.zeros((3, 3), np.float32), class_id, np.ones((1, 7)))
