"""Quality by distance from the sensor: one pooled confusion matrix for each ring."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lidar_vl_core.evaluation.metrics import ConfusionMatrix

EDGES_M = (0, 10, 20, 30, 50)  # the last ring has no end


class DistanceQuality:
    """Sums over frames, ring by ring."""

    def __init__(self, num_classes: int) -> None:
        self._rings = [ConfusionMatrix(num_classes) for _ in EDGES_M]

    def add(self, xyz_m: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count one frame. xyz_m: (N, 3) around the sensor, points that are not finite are in no ring."""
        distance_m = np.linalg.norm(xyz_m.astype(np.float64), axis=1)
        ring = np.searchsorted(EDGES_M, distance_m, side="right") - 1
        ring[~np.isfinite(distance_m)] = -1
        for number, quality in enumerate(self._rings):
            here = ring == number
            quality.add(truth[here], prediction[here])

    def rows(self) -> list[dict[str, Any]]:
        """JSON-ready, near to far: from_m, to_m (null: no end), points, and mean_iou and accuracy, null without points."""
        return [
            {
                "from_m": start_m,
                "to_m": end_m,
                "points": ring.points,
                "mean_iou": ring.mean_iou() if ring.points else None,
                "accuracy": ring.accuracy() if ring.points else None,
            }
            for ring, start_m, end_m in zip(self._rings, EDGES_M, (*EDGES_M[1:], None), strict=True)
        ]


def ring_reach(ring: Mapping[str, Any]) -> str:
    """The distances that a row's ring covers, as text."""
    return f"{ring['from_m']} m and more" if ring["to_m"] is None else f"{ring['from_m']} to {ring['to_m']} m"
