"""Suppression: equal to the rule written out, the same on every run, and bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.foundation.errors import BadBoxes
from tests.written.made_boxes import made_boxes

NO_LIMIT = 1_000_000
CAR = [10.0, 2.0, -0.5, 4.2, 1.8, 1.5, 0.3]


def reference(
    too_near: np.ndarray, score: np.ndarray, pre_max: int, post_max: int, class_id: np.ndarray | None
) -> list[int]:
    """The rule written out; too_near: (N, N) bool."""
    kept: list[int] = []
    for row in sorted(range(len(score)), key=lambda row: (-score[row], row))[:pre_max]:
        rivals = [other for other in kept if class_id is None or class_id[other] == class_id[row]]
        if not any(too_near[other, row] for other in rivals):
            kept.append(row)
    return kept[:post_max]


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Crowded boxes, scores of which many are equal, and classes or none."""
    count = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    score = rng.integers(0, draw(st.sampled_from((2, 5, 1000))), count) / 1000
    class_id = rng.integers(0, 3, count).astype(np.uint8) if draw(st.booleans()) else None
    return made_boxes(rng, count, 6.0), score.astype(np.float32), class_id


limits = st.sampled_from((1, 3, 10, NO_LIMIT))


@settings(max_examples=200)
@given(answers(), st.sampled_from((0.0, 0.1, 0.5, 1.0)), limits, limits)
def test_suppression_by_overlap_is_the_rule_written_out(answer, iou_threshold, pre_max, post_max):
    boxes, score, class_id = answer
    expected = reference(bev_iou(boxes, boxes) > iou_threshold, score, pre_max, post_max, class_id)
    assert rotated_nms(boxes, score, iou_threshold, pre_max, post_max, class_id).tolist() == expected


def test_of_equal_scores_the_lower_row_stays():
    boxes, score = np.array([CAR] * 5), np.array([0.2, 0.9, 0.9, 0.9, 0.2])
    assert rotated_nms(boxes, score, 0.5, NO_LIMIT, NO_LIMIT).tolist() == [1]
    class_id = np.array([0, 1, 0, 1, 2])
    assert rotated_nms(boxes, score, 0.5, NO_LIMIT, NO_LIMIT, class_id).tolist() == [1, 2, 4]


def test_a_car_suppresses_no_pedestrian_beside_it_of_another_class():
    boxes = np.array([CAR, [10.0, 2.0, -0.5, 3.8, 1.8, 1.5, 0.3]])
    score = np.array([0.9, 0.8])
    assert rotated_nms(boxes, score, 0.5, 10, 10).tolist() == [0]
    assert rotated_nms(boxes, score, 0.5, 10, 10, np.array([3, 6])).tolist() == [0, 1]


def test_the_order_of_the_boxes_does_not_matter():
    rng = np.random.default_rng(0)
    boxes, score = made_boxes(rng, 300, 20.0), rng.permutation(300) / 300
    order = rng.permutation(300)
    kept = rotated_nms(boxes, score, 0.3, 200, 50)
    assert np.array_equal(order[rotated_nms(boxes[order], score[order], 0.3, 200, 50)], kept)
    assert len(kept) == 50


def test_arguments_stay_as_they_were():
    rng = np.random.default_rng(1)
    given_arrays = made_boxes(rng, 50, 5.0), rng.random(50), rng.integers(0, 3, 50)
    for array in given_arrays:
        array.flags.writeable = False
    before = [array.copy() for array in given_arrays]
    rotated_nms(given_arrays[0], given_arrays[1], 0.2, 30, 30, given_arrays[2])
    assert all(np.array_equal(*pair) for pair in zip(given_arrays, before, strict=True))


def test_kept_boxes_suppress_none_of_each_other():
    rng = np.random.default_rng(2)
    boxes, score = made_boxes(rng, 2000, 30.0), rng.random(2000)
    kept = boxes[rotated_nms(boxes, score, 0.1, NO_LIMIT, NO_LIMIT)]
    assert ((bev_iou(kept, kept) > 0.1) == np.eye(len(kept), dtype=bool)).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"boxes": np.full((2, 7), np.nan)}, "finite"),
        ({"score": np.array([0.5, np.nan])}, "score.*row 1"),
        ({"score": np.array([0.5])}, r"score: expected shape \(2,\)"),
        ({"class_id": np.array([[1, 2]])}, r"class_id: expected shape \(2,\)"),
        ({"pre_max": 0}, "pre_max"),
        ({"post_max": -1}, "post_max"),
    ],
)
def test_what_cannot_be_is_refused(change, told):
    right = {"boxes": np.array([CAR, CAR]), "score": np.array([0.5, 0.4]), "pre_max": 10, "post_max": 10}
    with pytest.raises(BadBoxes, match=told):
        rotated_nms(**({"iou_threshold": 0.5} | right | change))


@pytest.mark.parametrize("number", [np.nan, -0.1, np.inf])
def test_limits_that_are_none_are_refused(number):
    boxes, score = np.array([CAR]), np.ones(1)
    with pytest.raises(BadBoxes, match="iou_threshold"):
        rotated_nms(boxes, score, number, 1, 1)
