"""KITTI's average precision, held against the official evaluator.

kitti_golden.json holds what the C++ evaluator of KITTI's devkit in its offline form (github prclibo/kitti_eval, overlaps of
0.7, 0.5, 0.5 for 2D, bird's-eye view and 3D, built with Boost 1.74, its files printed with 17 digits) answered for
`kitti_case(kind, seed)`, given as label files: the means over 40 and over 11 recalls of each line of its statistics. 40 seeds of
every kind were compared so, all 41 precisions of each; two are kept. A class that it leaves out, as nothing was found of it, is absent.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.boxes.kitti_objects import KittiObjects
from lidar_vl_core.evaluation.detection.kitti import kitti_scores, score_thresholds
from lidar_vl_core.foundation.errors import BadBoxes
from tests.core.evaluation.detection.kitti_cases import KINDS, SEEDS, kitti_case

GOLDEN = json.loads((Path(__file__).parent / "kitti_golden.json").read_text())


def _objects(*rows: tuple, with_score: bool = True) -> KittiObjects:
    """Rows of (kind, bbox, score) in the plane: the 3D boxes are of no interest."""
    count = len(rows)
    return KittiObjects(
        np.array([row[0] for row in rows], str),
        np.zeros(count),
        np.zeros(count, np.int64),
        np.zeros(count),
        np.array([row[1] for row in rows], float).reshape(-1, 4),
        np.ones((count, 3)),
        np.tile([0.0, 1.0, 10.0], (count, 1)),
        np.zeros(count),
        np.array([row[2] for row in rows], float) if with_score else None,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_are_those_of_the_official_evaluator(kind: str, seed: int) -> None:
    golden = GOLDEN[f"{kind} {seed}"]
    compared = 0
    for name, by_measure in kitti_scores(*kitti_case(kind, seed)).by_class.items():
        for measure, by_difficulty in by_measure.items():
            ours = [[score.ap_r40, score.ap_r11] for score in by_difficulty.values()]
            expected = golden.get(f"{name} {measure}", np.zeros((3, 2)))
            compared += f"{name} {measure}" in golden
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6, err_msg=f"{name} {measure}")
    assert compared == len(golden) > 0


def test_without_orientations_there_is_no_orientation_score() -> None:
    scores = kitti_scores(*kitti_case("no_orientation", 0))
    assert set(scores.by_class["Car"]) == {"2d", "bev", "3d"}


def test_the_order_of_the_pictures_does_not_matter() -> None:
    truth, found = kitti_case("crowded", 0)
    names = list(truth)[::-1]
    turned = kitti_scores({name: truth[name] for name in names}, {name: found[name] for name in names})
    assert turned.to_dict() == kitti_scores(truth, found).to_dict()


def test_the_mean_is_over_classes_that_have_objects() -> None:
    car = ("Car", (0, 0, 100, 100), 0.5)
    scores = kitti_scores({"0": _objects(car, with_score=False)}, {"0": _objects(car, car)})
    assert scores.by_class["Car"]["2d"]["easy"].truth_count == 1
    assert scores.mean_ap("2d", "easy") == scores.by_class["Car"]["2d"]["easy"].ap_r40
    assert np.isnan(kitti_scores({"0": _objects(with_score=False)}, {"0": _objects()}).mean_ap("3d", "hard"))


def test_a_van_and_a_prediction_too_low_are_neither_right_nor_wrong() -> None:
    van, low = ("Van", (0, 0, 100, 100), 0.0), ("Car", (200, 0, 300, 20), 0.9)
    car = ("Car", (400, 0, 500, 100), 0.8)
    truth = _objects(van, car, with_score=False)
    found = _objects(("Car", (0, 0, 100, 100), 0.95), low, car)
    assert kitti_scores({"0": truth}, {"0": found}).by_class["Car"]["2d"]["hard"].precision[0] == 1.0


def test_a_threshold_that_leaves_neither_right_nor_wrong_ones_is_no_nan() -> None:
    # At the thresholds the van takes the surer prediction, at the counts the nearer one; the other lies where nobody looked.
    van, car = ("Van", (0, 0, 100, 100), 0.0), ("Car", (0, 20, 100, 120), 0.0)
    nobody = ("DontCare", (-40, -40, 120, 95), 0.0)
    near, sure = ("Car", (0, 6, 100, 106), 0.5), ("Car", (0, -14, 100, 86), 0.9)
    truth = _objects(van, car, nobody, with_score=False)
    score = kitti_scores({"0": truth}, {"0": _objects(near, sure)}).by_class["Car"]["2d"]["easy"]
    assert score.truth_count == 1
    assert score.precision.tolist() == [0.0] * 41


@pytest.mark.parametrize(
    ("scores", "truth_count", "expected"),
    [
        ([], 0, []),
        ([], 7, []),
        ([0.3, 0.9], 2, [0.9, 0.3]),
        ([0.5] * 3, 3, [0.5] * 3),
        ([k / 1000 for k in range(400)], 400, [0.399, *(round(0.399 - 0.01 * k + 0.001, 3) for k in range(1, 41))]),
    ],
)
def test_thresholds_lie_nearest_to_forty_steps_of_recall(scores: list, truth_count: int, expected: list) -> None:
    assert np.allclose(score_thresholds(scores, truth_count), expected)


CAR = ("Car", (0, 0, 100, 100), 0.5)


@pytest.mark.parametrize(
    ("truth", "found", "told"),
    [
        (
            ["0", "1", "2", "3", "4"],
            {"0": _objects()},
            "expected predictions for every frame, found none for 1, 2, 3 and 1 more",
        ),
        (["0"], {"0": _objects(), "1": _objects()}, "expected a truth for every frame, found none for 1"),
        (["0"], {"0": _objects(CAR, with_score=False)}, "0: expected predictions with scores"),
        (["0"], {"0": _objects(("DontCare", *CAR[1:]))}, "0: expected predictions of objects, found DontCare"),
        (["0"], {"0": _objects(("Car", CAR[1], 1.2))}, "0: score: expected 0 to 1, found 1.2"),
        (["0"], {"0": replace(_objects(CAR), score=np.array([np.nan]))}, "0: score: expected 0 to 1, found nan"),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused_in_one_line(truth: list, found: dict, told: str) -> None:
    with pytest.raises(BadBoxes, match=told) as caught:
        kitti_scores({name: _objects(with_score=False) for name in truth}, found)
    assert "\n" not in str(caught.value)
