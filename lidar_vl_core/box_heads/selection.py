"""Which boxes of a head are kept: the confident ones, and of those that overlap, the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.foundation.errors import BadConfig


@dataclass(frozen=True)
class BoxSelection:
    """Limits from a head's scores to boxes; the defaults are OpenPCDet's of SECOND on KITTI."""

    least_score: float = 0.1
    most_candidates: int = 4096  # the best of them go into the suppression
    iou_threshold: float = 0.01  # seen from above: of two boxes that overlap more, of any class, the better stays
    most_boxes: int = 500
    class_scores: tuple[tuple[int, float], ...] = ()  # (class, least score) of those that have one of their own

    def __post_init__(self) -> None:
        numbers = (self.least_score, self.iou_threshold, *(score for _, score in self.class_scores))
        if not all(0.0 <= number <= 1.0 for number in numbers) or min(self.most_candidates, self.most_boxes) < 1:
            raise BadConfig(f"selection: expected score and IoU in 0..1 and counts of 1 at least, found {self}.")

    def least_scores(self, class_ids: Sequence[int]) -> np.ndarray:
        """(K,) float32 minimum score of each class; a NaN score never reaches it."""
        own = dict(self.class_scores)
        return np.array([own.get(class_id, self.least_score) for class_id in class_ids], np.float32)


def best_rows(score: np.ndarray, allowed: np.ndarray, selection: BoxSelection) -> np.ndarray:
    """(M,) int64 positions in the flattened score of the candidates, the best first, the lower position first among equals.

    allowed: bool of the shape of score: which are high enough to be candidates.
    """
    flat = score.reshape(-1)
    rows = np.flatnonzero(allowed.reshape(-1))
    return rows[np.argsort(-flat[rows], kind="stable")[: selection.most_candidates]]


def without_overlaps(candidates: Boxes3d, selection: BoxSelection) -> Boxes3d:
    """The candidates that stay, the best first."""
    rows = rotated_nms(
        candidates.boxes,
        candidates.score,
        selection.iou_threshold,
        selection.most_candidates,
        selection.most_boxes,
    )
    return candidates.taken(rows)
