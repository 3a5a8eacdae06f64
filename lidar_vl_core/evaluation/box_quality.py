"""How well boxes were found: average precision by class, and how many of the true ones, near and far."""

from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.average_precision import AveragePrecision
from lidar_vl_core.evaluation.detection.matching import centre_distance_m, greedy_matches
from lidar_vl_core.evaluation.distance import EDGES_M

FOUND_WITHIN_M = 2.0  # of a true box's centre, as nuScenes measures its errors at


class BoxQuality:
    """Sums over the frames whose true boxes are known."""

    def __init__(self, classes: ClassTable) -> None:
        self._classes, self._precision = classes, AveragePrecision(classes)
        self._there, self._seen = np.zeros(len(EDGES_M), np.int64), np.zeros(len(EDGES_M), np.int64)

    def add(self, truth: Boxes3d, found: Boxes3d, origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        """Count one frame; true boxes without a class (255) are not counted. Raises as AveragePrecision.add().

        origin_m: of the sensor in the frame of the boxes, from which distances are told.
        """
        self._precision.add(truth, found)
        for class_id in range(len(self._classes)):
            theirs, ours = truth.taken(truth.class_id == class_id), found.taken(found.class_id == class_id)
            distance_m = centre_distance_m(ours.boxes, theirs.boxes)
            (match,) = greedy_matches(distance_m, ours.score, np.array([FOUND_WITHIN_M]))
            range_m: np.ndarray = np.hypot(theirs.boxes[:, 0] - origin_m[0], theirs.boxes[:, 1] - origin_m[1])
            ring = np.searchsorted(EDGES_M, range_m, side="right") - 1
            self._there += np.bincount(ring, minlength=len(EDGES_M))
            self._seen += np.bincount(ring[match[match >= 0]], minlength=len(EDGES_M))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the keys of AveragePrecision.to_dict, and recall_by_distance: from_m, to_m (null: no end), truth, found, recall."""
        rings = zip(EDGES_M, (*EDGES_M[1:], None), self._there.tolist(), self._seen.tolist(), strict=True)
        recall = [
            {"from_m": start_m, "to_m": end_m, "truth": there, "found": seen, "recall": seen / there if there else None}
            for start_m, end_m, there, seen in rings
        ]
        return {**self._precision.to_dict(), "found_within_m": FOUND_WITHIN_M, "recall_by_distance": recall}
