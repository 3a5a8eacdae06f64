"""How far two networks agree."""

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.agreement import Agreement
from lidar_vl_core.foundation.errors import BadLabels

CLASSES = class_table("nuscenes16")


def answers(seed: int, points: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = rng.choice([0, 3, 7, 255], (2, points)).astype(np.uint8)
    return rng.uniform(-60, 60, (points, 3)).astype(np.float32), ids[0], ids[1]


def boxes(x_m: list[float], class_id: list[int]) -> Boxes3d:
    rows = np.array([[x, 0, 0, 4, 2, 1.5, 0] for x in x_m], np.float64).reshape(-1, 7)
    score = np.linspace(0.5, 0.9, len(x_m)).astype(np.float32)
    return Boxes3d(rows, np.array(class_id, np.uint8), score, np.zeros((len(x_m), 2), np.float32), "lidar")


def test_points_are_counted_as_a_loop_counts_them() -> None:
    agreement = Agreement(CLASSES)
    frames = [answers(seed) for seed in range(3)]
    shares = [agreement.add_labels(*frame) for frame in frames]
    told = agreement.labels()
    same = sum(int(left == right) for _, a, b in frames for left, right in zip(a, b, strict=True))
    assert shares == [pytest.approx(np.mean(a == b)) for _, a, b in frames]
    assert (told["points"], told["same"]) == (1500, same / 1500)
    car = CLASSES.names[3]
    both = sum(int(((a == 3) & (b == 3)).sum()) for _, a, b in frames)
    either = sum(int(((a == 3) | (b == 3)).sum()) for _, a, b in frames)
    assert told["per_class_overlap"][car] == both / either
    for ring in told["by_distance"]:
        here = [
            (left, right)
            for xyz_m, a, b in frames
            for point, left, right in zip(xyz_m, a, b, strict=True)
            if ring["from_m"] <= np.linalg.norm(point) < (ring["to_m"] or np.inf)
        ]
        assert ring["points"] == len(here)
        assert ring["same"] == (np.mean([left == right for left, right in here]) if here else None)


def test_the_most_frequent_difference_comes_first_and_missing_answers_are_named() -> None:
    agreement = Agreement(CLASSES)
    a = np.array([0, 0, 0, 5, 255, 1], np.uint8)
    b = np.array([255, 255, 2, 5, 3, 1], np.uint8)
    agreement.add_labels(np.zeros((6, 3), np.float32), a, b)
    first = agreement.labels()["differences"][0]
    assert first == {"a": CLASSES.names[0], "b": "no answer", "points": 2, "share": 2 / 6}


def test_nothing_to_compare_is_no_agreement() -> None:
    agreement = Agreement(CLASSES)
    nothing = np.empty(0, np.uint8)
    assert agreement.add_labels(np.empty((0, 3), np.float32), nothing, nothing) is None
    assert agreement.labels()["same"] is None
    assert agreement.add_boxes(boxes([], []), boxes([], [])) is None
    assert agreement.boxes() == {}


def test_answers_for_different_clouds_are_refused() -> None:
    with pytest.raises(BadLabels, match="found 3 and 2"):
        Agreement(CLASSES).add_labels(np.zeros((3, 3)), np.zeros(3, np.uint8), np.zeros(2, np.uint8))


def test_boxes_of_both_are_within_two_metres_and_of_one_class() -> None:
    agreement = Agreement(CLASSES)
    same = agreement.add_boxes(boxes([0, 10, 20], [3, 3, 0]), boxes([1.9, 12.1, 20], [3, 3, 1]))
    assert agreement.boxes() == {
        CLASSES.names[0]: {"both": 0, "only_a": 1, "only_b": 0},
        CLASSES.names[1]: {"both": 0, "only_a": 0, "only_b": 1},
        CLASSES.names[3]: {"both": 1, "only_a": 1, "only_b": 1},
    }
    assert same == 2 / 6
