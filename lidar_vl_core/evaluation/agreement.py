"""How far two networks agree on the same clouds: points by class and by distance, and boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.evaluation.box_quality import FOUND_WITHIN_M
from lidar_vl_core.evaluation.detection.matching import centre_distance_m, greedy_matches
from lidar_vl_core.evaluation.distance import EDGES_M
from lidar_vl_core.foundation.errors import BadLabels

NO_ANSWER = "no answer"
_MOST_PAIRS = 10


@dataclass(frozen=True)
class AgreedBoxes:
    """Boxes of one class: found by both networks within 2 m of each other, or by only one."""

    both: int
    only_a: int
    only_b: int


class Agreement:
    """Sums over frames; both networks answer in the same classes."""

    def __init__(self, classes: ClassTable) -> None:
        self._names = (*classes.names, NO_ANSWER)
        self._counts = np.zeros((len(self._names), len(self._names)), np.int64)  # rows: A, columns: B
        self._same, self._all = np.zeros(len(EDGES_M), np.int64), np.zeros(len(EDGES_M), np.int64)
        self._boxes = np.zeros((len(classes), 3), np.int64)

    def add_labels(self, xyz_m: np.ndarray, a: np.ndarray, b: np.ndarray) -> float | None:
        """Count one frame; returns the share of its points with the same answer, None without points.

        xyz_m: (N, 3) finite, around the sensor. a, b: (N,) uint8 class ids, 255 = no answer. Raises BadLabels.
        """
        if not len(xyz_m) == len(a) == len(b):
            raise BadLabels(
                f"agreement: expected a class for each of {len(xyz_m)} points from both, found {len(a)} and {len(b)}. "
                "Give both for the same cloud."
            )
        last = len(self._names) - 1
        row, column = (np.where(ids == IGNORE_ID, last, ids).astype(np.int64) for ids in (a, b))
        cell = row * len(self._names) + column
        self._counts += np.bincount(cell, minlength=self._counts.size).reshape(self._counts.shape)
        ring = np.searchsorted(EDGES_M, np.linalg.norm(xyz_m.astype(np.float64), axis=1), side="right") - 1
        self._all += np.bincount(ring, minlength=len(EDGES_M))
        self._same += np.bincount(ring[a == b], minlength=len(EDGES_M))
        return float(np.mean(a == b)) if len(a) else None

    def add_boxes(self, a: Boxes3d, b: Boxes3d) -> float | None:
        """Count one frame; returns the share of its boxes that both found, None where neither found any."""
        found = np.array([list(vars(agreed).values()) for agreed in self._agreed(a, b)])
        self._boxes += found
        both, alone = 2 * int(found[:, 0].sum()), int(found[:, 1:].sum())
        return both / (both + alone) if both + alone else None

    def labels(self) -> dict[str, Any]:
        """JSON-ready: points, same (share), per class IoU of A's and B's points, the most frequent differences, rings."""
        total = int(self._counts.sum())
        same = int(np.trace(self._counts))
        union = self._counts.sum(axis=1) + self._counts.sum(axis=0) - np.diagonal(self._counts)
        return {
            "points": total,
            "same": same / total if total else None,
            "per_class_overlap": {
                name: float(self._counts[k, k] / union[k]) for k, name in enumerate(self._names) if union[k]
            },
            "differences": self._differences(total),
            "by_distance": [
                {
                    "from_m": start,
                    "to_m": end,
                    "points": int(points),
                    "same": int(agreed) / int(points) if points else None,
                }
                for start, end, points, agreed in zip(EDGES_M, (*EDGES_M[1:], None), self._all, self._same, strict=True)
            ],
        }

    def boxes(self) -> dict[str, dict[str, int]]:
        """JSON-ready: by class that either found, how many both found, and how many only one."""
        return {
            name: vars(AgreedBoxes(*(int(count) for count in counts)))
            for name, counts in zip(self._names, self._boxes, strict=False)
            if counts.any()
        }

    def _differences(self, total: int) -> list[dict[str, Any]]:
        apart = self._counts.copy()
        np.fill_diagonal(apart, 0)
        most = np.argsort(-apart, axis=None, kind="stable")[:_MOST_PAIRS]
        rows, columns = np.unravel_index(most, apart.shape)
        return [
            {"a": self._names[r], "b": self._names[c], "points": int(apart[r, c]), "share": int(apart[r, c]) / total}
            for r, c in zip(rows, columns, strict=True)
            if apart[r, c]
        ]

    def _agreed(self, a: Boxes3d, b: Boxes3d) -> Sequence[AgreedBoxes]:
        agreed = []
        for class_id in range(len(self._boxes)):
            ours, theirs = a.taken(a.class_id == class_id), b.taken(b.class_id == class_id)
            distance_m = centre_distance_m(ours.boxes, theirs.boxes)
            (match,) = greedy_matches(distance_m, ours.score, np.array([FOUND_WITHIN_M]))
            both = int((match >= 0).sum())
            agreed.append(AgreedBoxes(both, len(ours) - both, len(theirs) - both))
        return agreed
