"""nuScenes' detection scores, held against the public evaluator.

nuscenes_golden.json holds what nuscenes-devkit 1.2.0 (configuration detection_cvpr_2019, numpy 1.26) answered for
`nuscenes_case(kind, seed)`: its filter_eval_boxes and DetectionEval.evaluate were given the same boxes, with yaw as a quaternion,
the vehicle's place as ego_translation and the racks as annotations. 60 seeds of every kind were compared so; three are kept.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.nuscenes import DISTANCES_M, ERRORS, NuscenesDetection, NuscenesScores
from lidar_vl_core.evaluation.detection.nuscenes_frame import NuscenesFrame
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels
from tests.core.evaluation.detection.nuscenes_cases import CLASSES, KINDS, SEEDS, nuscenes_case

GOLDEN = json.loads((Path(__file__).parent / "nuscenes_golden.json").read_text())
CAR = np.array([10.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0])


def _scores(frames: list[NuscenesFrame]) -> NuscenesScores:
    detection = NuscenesDetection(CLASSES)
    for frame in frames:
        detection.add(frame)
    return detection.scores()


def _boxes(*boxes: np.ndarray, class_id: int = 0, score: float = 0.5) -> Boxes3d:
    return Boxes3d.of(np.array(boxes), np.full(len(boxes), class_id), np.full(len(boxes), score))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_are_those_of_the_public_evaluator(kind: str, seed: int) -> None:
    golden = GOLDEN[f"{kind} {seed}"]
    scores = _scores(nuscenes_case(kind, seed))
    ours = {
        "nds": scores.nds,
        "mean_ap": scores.mean_ap,
        "mean_errors": [scores.mean_errors[error] for error in ERRORS],
        "ap": [[scores.average_precision[name][limit] for limit in DISTANCES_M] for name in CLASSES.names],
        "errors": [[scores.errors[name][error] for error in ERRORS] for name in CLASSES.names],
    }
    assert golden.keys() == ours.keys()
    for key, value in golden.items():
        np.testing.assert_allclose(np.array(ours[key]), np.array(value, float), rtol=0, atol=1e-6, err_msg=key)


def test_a_perfect_detector_of_every_class_has_all_but_the_errors_that_cannot_be_judged() -> None:
    boxes = np.tile(CAR, (10, 1)) + np.arange(10)[:, None] * [0, 2, 0, 0, 0, 0, 0]
    truth = Boxes3d.of(boxes, np.arange(10), velocity_mps=np.zeros((10, 2)))
    attribute = ("vehicle.moving",) * 5 + ("pedestrian.moving",) + ("cycle.with_rider",) * 2 + ("", "")
    scores = _scores([NuscenesFrame(truth, truth, truth_attribute=attribute, found_attribute=attribute)])
    assert scores.nds == pytest.approx(1.0)
    assert scores.mean_ap == pytest.approx(1.0)
    assert set(scores.truth_count.values()) == {1}


@pytest.mark.parametrize(
    ("turned_rad", "class_id", "error_rad"), [(np.pi, 0, np.pi), (np.pi, 9, 0.0), (0.3 - 2 * np.pi, 0, 0.3)]
)
def test_a_barrier_may_be_turned_around_and_a_whole_turn_is_none(
    turned_rad: float, class_id: int, error_rad: float
) -> None:
    turned = CAR + np.array([0, 0, 0, 0, 0, 0, turned_rad])
    frame = NuscenesFrame(_boxes(CAR, class_id=class_id), _boxes(turned, class_id=class_id))
    assert _scores([frame]).errors[CLASSES.names[class_id]]["orientation_rad"] == pytest.approx(error_rad, abs=1e-9)


def test_boxes_without_points_beyond_the_range_or_in_a_rack_do_not_count() -> None:
    far = CAR + np.array([40, 0, 0, 0, 0, 0, 0])
    cars = NuscenesFrame(_boxes(CAR, CAR, far), _boxes(far), truth_points=np.array([0, 3, 3]))
    bike = np.array([10.0, 0.0, 0.5, 1.8, 0.6, 1.1, 0.0])
    rack = np.array([[10.0, 0.5, 0.5, 6.0, 2.0, 2.0, 0.3]])
    bikes = NuscenesFrame(_boxes(bike, class_id=7), _boxes(bike, class_id=7), bike_racks=rack)
    counted = _scores([cars, bikes]).truth_count
    assert (counted["car"], counted["bicycle"]) == (1, 0)
    assert _scores([replace(bikes, bike_racks=np.zeros((0, 7)))]).truth_count["bicycle"] == 1


def test_the_report_of_the_scores_is_json_with_null_where_a_class_is_not_judged() -> None:
    told = json.loads(json.dumps(_scores(nuscenes_case("plain", 0)).to_dict(), allow_nan=False))
    assert told["classes"]["traffic_cone"]["errors"]["velocity_mps"] is None
    assert told["classes"]["car"]["ap_by_distance_m"].keys() == {"0.5", "1.0", "2.0", "4.0"}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (_boxes(CAR, score=np.nan), "score: expected 0 to 1, found nan in row 0"),
        (_boxes(CAR, CAR, score=1.5), "score: expected 0 to 1, found 1.5 in row 0"),
        (_boxes(CAR, score=-0.25), "score: expected 0 to 1, found -0.25"),
        (_boxes(CAR, class_id=10), "class_id: expected 0 to 9"),
        (replace(_boxes(CAR), frame_id="map"), "expected boxes in one frame"),
    ],
)
def test_predictions_that_mean_nothing_are_refused_in_one_line(found: Boxes3d, told: str) -> None:
    with pytest.raises(BadBoxes, match=told) as caught:
        NuscenesDetection(CLASSES).add(NuscenesFrame(_boxes(CAR), found))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"found": _boxes(*[CAR] * 501)}, "at most 500 predictions"),
        ({"found": _boxes(CAR * [1, 1, 1, 0, 1, 1, 1])}, "sizes > 0"),
        ({"truth_points": np.array([1, 2])}, "truth_points: expected 1"),
        ({"found_attribute": ()}, "found_attribute: expected 1"),
        ({"found_attribute": ("vehicle.parking",)}, "found 'vehicle.parking'. Did you mean vehicle.parked"),
    ],
)
def test_a_frame_whose_parts_do_not_fit_is_refused(parts: dict, told: str) -> None:
    with pytest.raises(BadBoxes, match=told):
        NuscenesFrame(**{"truth": _boxes(CAR), "found": _boxes(CAR)} | parts)


def test_a_table_with_other_classes_is_refused() -> None:
    with pytest.raises(BadLabels, match="found van"):
        NuscenesDetection(ClassTable("own", ("car", "van"), np.zeros((2, 3), np.uint8)))
