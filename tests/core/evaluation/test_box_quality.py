"""Boxes against their truth: which of it is found, near and far."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.box_quality import FOUND_WITHIN_M, BoxQuality
from lidar_vl_core.evaluation.detection.average_precision import AveragePrecision
from tests.written.made_boxes import made_boxes

CLASSES = class_table("kitti3")
RINGS_M = [(0, 10), (10, 20), (20, 30), (30, 50), (50, np.inf)]


def _some(rng, count):
    class_id = rng.choice([0, 1, 2, 255], count)
    return Boxes3d.of(made_boxes(rng, count, 25.0), class_id, rng.uniform(0, 1, count).astype(np.float32))


def _found(truth, found):
    """Rows of the truth, chosen one by one: the surest box takes the nearest of its class that is left."""
    taken = set()
    for row in sorted(range(len(found)), key=lambda row: -found.score[row]):
        near = {
            k: np.hypot(*(truth.boxes[k, :2] - found.boxes[row, :2]))
            for k in range(len(truth))
            if k not in taken and truth.class_id[k] == found.class_id[row] != 255
        }
        if near and min(near.values()) < FOUND_WITHIN_M:
            taken.add(min(near, key=near.get))
    return taken


@given(st.integers(0, 10_000))
def test_recall_by_distance_is_that_of_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    quality, plain, there, seen = BoxQuality(CLASSES), AveragePrecision(CLASSES), [0] * 5, [0] * 5
    for _ in range(2):
        truth, found = _some(rng, 40), _some(rng, 60)
        quality.add(truth, found)
        plain.add(truth, found)
        taken = _found(truth, found)
        for row in np.flatnonzero(truth.class_id != 255).tolist():
            range_m = np.hypot(*truth.boxes[row, :2])
            ring = next(k for k, (start_m, end_m) in enumerate(RINGS_M) if start_m <= range_m < end_m)
            there[ring] += 1
            seen[ring] += row in taken
    told = quality.to_dict()
    assert [(ring["truth"], ring["found"]) for ring in told["recall_by_distance"]] == list(
        zip(there, seen, strict=True)
    )
    assert told.items() >= plain.to_dict().items()


def test_distances_are_from_the_sensor_and_rings_without_truth_have_no_recall():
    truth = Boxes3d.of([[1000.0, 0, 0, 4, 2, 2, 0], [1015.0, 0, 0, 4, 2, 2, 0]], [0, 1])
    quality = BoxQuality(CLASSES)
    quality.add(truth, truth.taken(np.array([1])), origin_m=(1000.0, 0.0, 0.0))
    assert [ring["recall"] for ring in quality.to_dict()["recall_by_distance"]] == [0.0, 1.0, None, None, None]
