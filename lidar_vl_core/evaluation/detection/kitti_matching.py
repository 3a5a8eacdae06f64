"""Which prediction matches which true object of an image, by the order and the ties of KITTI's official evaluator.

True objects choose, in the order of their file. For the thresholds each takes the prediction of the highest score, for the
counts the one of the highest overlap; an ignored prediction is taken where no counted one is.
"""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.evaluation.detection.kitti_rules import COUNTED, OTHER


@dataclass(frozen=True, eq=False)
class Picture:
    """One image while one class is judged at one difficulty: what is left of truth and predictions."""

    overlap: np.ndarray  # (P, T)
    score: np.ndarray  # (P,)
    found_role: np.ndarray  # (P,), COUNTED or IGNORED
    truth_role: np.ndarray  # (T,), COUNTED or IGNORED
    excused: np.ndarray  # (P,) bool: in an area nobody looked at, never a false alarm
    similarity: np.ndarray  # (P, T), of orientations: (1 + cos of the difference) / 2

    @staticmethod
    def of(
        overlap: np.ndarray,
        score: np.ndarray,
        found_role: np.ndarray,
        truth_role: np.ndarray,
        excused: np.ndarray,
        similarity: np.ndarray,
    ) -> "Picture":
        """The image without objects of other classes. overlap, similarity: (M, T); score, found_role, excused: (M,); truth_role: (T,)."""
        ours, theirs = found_role != OTHER, truth_role != OTHER
        pair = np.ix_(ours, theirs)
        return Picture(
            overlap[pair], score[ours], found_role[ours], truth_role[theirs], excused[ours], similarity[pair]
        )

    def right_scores(self, min_overlap: float) -> list[float]:
        """The scores at which the counted true objects are found."""
        free = np.ones(len(self.score), bool)
        scores = []
        for truth, role in enumerate(self.truth_role):
            candidate = free & (self.overlap[:, truth] > min_overlap)
            if not candidate.any():
                continue
            found = int(np.where(candidate, self.score, -np.inf).argmax())
            free[found] = False
            if role == COUNTED and self.found_role[found] == COUNTED:
                scores.append(float(self.score[found]))
        return scores

    def counts(self, thresholds: np.ndarray, min_overlap: float) -> np.ndarray:
        """(L, 4) at each score threshold (L,): right, wrong and missed ones, and the sum of the right ones' similarity."""
        counted = self.found_role == COUNTED
        free = self.score >= thresholds[:, None]  # (L, P)
        each = np.arange(len(thresholds))
        sums = np.zeros((len(thresholds), 4))
        for truth, role in enumerate(self.truth_role):
            overlap = self.overlap[:, truth]
            candidate = free & (overlap > min_overlap)
            best = np.where(candidate & counted, overlap, -1.0)
            is_counted = best.max(axis=1, initial=-1.0) >= 0.0
            is_matched = candidate.any(axis=1)
            if role == COUNTED:
                sums[:, 2] += ~is_matched
            if not is_matched.any():
                continue
            found = np.where(is_counted, best.argmax(axis=1), candidate.argmax(axis=1))
            free[each[is_matched], found[is_matched]] = False
            if role == COUNTED:
                sums[:, 0] += is_counted
                sums[:, 3] += np.where(is_counted, self.similarity[found, truth], 0.0)
        sums[:, 1] = (free & counted & ~self.excused).sum(axis=1)
        return sums
