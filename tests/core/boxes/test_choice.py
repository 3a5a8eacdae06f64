"""Boxes that are told: what a class's limits let through, best first, and nothing that is not a number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.choice import BoxLimits, BoxRules, chosen_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig
from tests.written.made_boxes import made_boxes

CLASSES = class_table("kitti3")


def _boxes(*rows, velocity=(np.nan, np.nan)):
    """Rows of x, class, score."""
    boxes = [[x, 0, 0, 4, 2, 1.5, 0] for x, _, _ in rows]
    return Boxes3d.of(boxes, [row[1] for row in rows], [row[2] for row in rows], [velocity] * len(rows), "lidar")


def test_each_class_has_its_own_limits_and_the_others_share_theirs():
    name = CLASSES.names[1]
    rules = BoxRules(BoxLimits(0.5), {name: BoxLimits(0.2, max_range_m=20.0)})
    boxes = _boxes((10, 0, 0.6), (10, 0, 0.4), (10, 1, 0.3), (30, 1, 0.9), (300, 2, 0.5))
    told = chosen_boxes(boxes, CLASSES, rules).boxes
    assert told.class_id.tolist() == [0, 2, 1]
    assert told.score.tolist() == pytest.approx([0.6, 0.5, 0.3])


def test_what_cannot_be_is_dropped_and_counted():
    boxes = _boxes((1, 0, np.nan), (1, 0, 1.5), (1, 0, -0.1), (1, 200, 0.5), (1, 255, 0.5), (1, 0, 0.5), (1, 1, 0.7))
    boxes.boxes[5, 4] = 0.0
    told = chosen_boxes(boxes, CLASSES, BoxRules())
    assert told.boxes.class_id.tolist() == [1]
    assert told.unusable == 6


def test_a_velocity_that_is_no_number_is_not_known():
    told = chosen_boxes(_boxes((1, 0, 0.5), velocity=(np.inf, 1.0)), CLASSES, BoxRules()).boxes
    assert np.isnan(told.velocity_mps).all()
    told = chosen_boxes(_boxes((1, 0, 0.5), velocity=(2.0, 1.0)), CLASSES, BoxRules()).boxes
    assert told.velocity_mps.tolist() == [[2.0, 1.0]]


def test_a_class_that_the_model_lacks_is_refused_with_those_it_has():
    rules = BoxRules(of_class={"lorry": BoxLimits()})
    with pytest.raises(BadConfig, match=f"classes: expected names out of {', '.join(CLASSES.names)}, found 'lorry'"):
        rules.require_classes(CLASSES)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 30), st.floats(0, 1), st.floats(0, 50))
def test_those_told_are_the_ones_a_look_at_each_finds_and_fall_in_score(seed, count, min_score, max_range_m):
    rng = np.random.default_rng(seed)
    boxes = Boxes3d.of(made_boxes(rng, count, 40.0), rng.integers(0, 3, count), rng.choice([0.1, 0.5, 0.9], count))
    told = chosen_boxes(boxes, CLASSES, BoxRules(BoxLimits(min_score, max_range_m))).boxes
    expected = [
        row
        for row in range(count)
        if boxes.score[row] >= np.float32(min_score)
        and (boxes.boxes[row, 3:6] > 0).all()
        and (max_range_m == 0 or np.hypot(*boxes.boxes[row, :2]) <= max_range_m)
    ]
    expected.sort(key=lambda row: -boxes.score[row])
    np.testing.assert_array_equal(told.boxes, boxes.boxes[expected])
