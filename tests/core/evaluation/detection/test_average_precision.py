"""Average precision of boxes of any data, against a slow reading of its rule."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.evaluation.detection.average_precision import BY_BEV_IOU, BY_CENTRE, AveragePrecision, MatchRule
from lidar_vl_core.foundation.errors import BadBoxes

CLASSES = ClassTable("two", ("car", "pedestrian"), np.zeros((2, 3), np.uint8))
NONE = Boxes3d.of(np.zeros((0, 7)), np.zeros(0))

# Places and sizes on a grid, so that ties of distance and score come up.
box_rows = st.tuples(
    st.integers(0, 6), st.integers(0, 6), st.integers(0, 1), st.sampled_from((0, 0, 0, 1, IGNORE_ID)), st.integers(0, 3)
)
frames = st.lists(st.tuples(st.lists(box_rows, max_size=5), st.lists(box_rows, max_size=8)), min_size=1, max_size=3)


def _boxes(rows: list[tuple[int, ...]]) -> Boxes3d:
    boxes = np.array([[x / 2, y / 2, 0, 2, 1, 1, turned] for x, y, turned, _, _ in rows]).reshape(-1, 7)
    return Boxes3d.of(boxes, np.array([row[3] for row in rows]), np.array([row[4] / 4 for row in rows]))


def _slow_ap(pairs: list[tuple[Boxes3d, Boxes3d]], class_id: int, rule: MatchRule, limit: float) -> float:
    """Every prediction of all frames in turn, the surest first; then the area in 90 steps of recall."""
    ranked = [
        (-found.score[k], -number, -k, found.boxes[k])
        for number, (_, found) in enumerate(pairs)
        for k in np.flatnonzero(found.class_id == class_id)
    ]
    taken, right, recall, precision = set(), 0, [], []
    truth_count = sum(int((truth.class_id == class_id).sum()) for truth, _ in pairs)
    if truth_count == 0:
        return np.nan
    for rank, (_, number, _, box) in enumerate(sorted(ranked, key=lambda entry: entry[:3]), 1):
        truth = pairs[-number][0]
        best = None
        for row in np.flatnonzero(truth.class_id == class_id):
            if (number, row) in taken:
                continue
            if rule is BY_CENTRE:
                good = -float(np.linalg.norm(box[:2] - truth.boxes[row, :2]))
                enough = good > -limit
            else:
                good = float(bev_iou(box[None], truth.boxes[row : row + 1])[0, 0])
                enough = good > limit
            if best is None or good > best[0]:
                best = (good, row, enough)
        if best is not None and best[2]:
            taken.add((number, best[1]))
            right += 1
        recall.append(right / truth_count)
        precision.append(right / rank)
    if right == 0:
        return 0.0
    # The devkit's own points: one that differs in its last bit falls before or behind a step of recall.
    at = np.interp(np.linspace(0, 1, 101)[11:], recall, precision, right=0)
    return float(np.mean([max(0.0, value - 0.1) for value in at]) / 0.9)


@pytest.mark.parametrize("rule", [BY_CENTRE, BY_BEV_IOU], ids=lambda rule: rule.name)
@settings(max_examples=40)
@given(frames=frames)
def test_average_precision_is_that_of_the_slow_reading(rule: MatchRule, frames: list) -> None:
    pairs = [(_boxes(truth), _boxes(found)) for truth, found in frames]
    average = AveragePrecision(CLASSES, rule)
    for truth, found in pairs:
        average.add(truth, found)
    for class_id, of_class in enumerate(average.classes()):
        for limit, value in of_class.by_limit.items():
            np.testing.assert_allclose(value, _slow_ap(pairs, class_id, rule, limit), atol=1e-9)
        assert of_class.truth_count == sum(int((truth.class_id == class_id).sum()) for truth, _ in pairs)


@pytest.mark.parametrize("rule", [BY_CENTRE, BY_BEV_IOU], ids=lambda rule: rule.name)
def test_the_truth_itself_has_an_average_precision_of_one(rule: MatchRule) -> None:
    truth = _boxes([(0, 0, 0, 0, 4), (6, 6, 1, 0, 4), (0, 6, 0, 1, 4)])
    average = AveragePrecision(CLASSES, rule)
    average.add(truth, truth)
    assert average.mean() == pytest.approx(1.0)


def test_a_class_without_truth_has_no_figure_and_is_not_in_the_mean() -> None:
    cars = _boxes([(0, 0, 0, 0, 2)])
    average = AveragePrecision(CLASSES)
    average.add(cars, Boxes3d.of(cars.boxes[[0, 0]], [0, 1], [0.5, 0.5]))
    told = json.loads(json.dumps(average.to_dict(), allow_nan=False))
    assert told["frames"] == 1
    assert told["classes"]["pedestrian"] == {
        "truth": 0,
        "found": 1,
        "ap": None,
        "ap_at": {"0.5": None, "1.0": None, "2.0": None, "4.0": None},
        "axis_error_deg": None,
        "heading_error_deg": None,
    }
    assert told["mean_ap"] == told["classes"]["car"]["ap"] == pytest.approx(1.0)


def test_without_any_frame_there_is_no_figure() -> None:
    assert AveragePrecision(CLASSES).to_dict()["mean_ap"] is None


def test_an_empty_frame_counts_and_changes_nothing() -> None:
    average = AveragePrecision(CLASSES)
    average.add(NONE, NONE)
    average.add(_boxes([(0, 0, 0, 0, 2)]), NONE)
    assert (average.to_dict()["frames"], average.mean()) == (2, 0.0)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Boxes3d.of(np.ones((1, 7)), [0], [np.nan]), "score: expected 0 to 1, found nan"),
        (Boxes3d.of(np.ones((1, 7)), [2], [0.5]), r"class_id: expected 0 to 1 \(the classes of two\), found 2"),
        (Boxes3d.of(np.ones((1, 7)), [0], [0.5], frame_id="map"), "expected boxes in one frame"),
    ],
)
def test_predictions_that_mean_nothing_are_refused(found: Boxes3d, told: str) -> None:
    with pytest.raises(BadBoxes, match=told):
        AveragePrecision(CLASSES).add(NONE, found)


def test_the_angles_between_matched_boxes_are_told_in_the_middle():
    truth = Boxes3d.of([[x, 0, 0, 4, 2, 1, 0.1] for x in (0, 10, 20, 30)], [0, 0, 0, 0])
    turned = [0.1 + np.pi, 0.1 - np.pi / 2, 0.1 + 2 * np.pi - 0.2, 2.0]  # the last is too far off for a match
    found = Boxes3d.of(
        [[x, y, 0, 4, 2, 1, yaw] for x, y, yaw in zip((0, 10, 20, 30), (0, 0, 0, 3), turned, strict=True)],
        [0] * 4,
        np.full(4, 0.5),
    )
    measure = AveragePrecision(CLASSES)
    measure.add(truth, found)
    car = measure.classes()[0]
    assert car.axis_error_rad == pytest.approx(0.2)  # of 0, 0.2 and a quarter of a turn
    assert car.heading_error_rad == pytest.approx(np.pi / 2)  # of half a turn, a quarter and 0.2
    told = measure.to_dict()["classes"]
    assert told["car"]["axis_error_deg"] == pytest.approx(np.degrees(0.2))
    assert told["pedestrian"]["axis_error_deg"] is None
