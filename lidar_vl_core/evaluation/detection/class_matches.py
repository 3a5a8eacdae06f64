"""The predictions of one class over all frames: their scores, whether they match at each limit, and how far off they are."""

import numpy as np

from lidar_vl_core.evaluation.detection.matching import by_score
from lidar_vl_core.evaluation.detection.precision_curve import PrecisionCurve, precision_curve


class ClassMatches:
    """Gathers frames; predictions of equal scores rank as in nuScenes' evaluator, those of later frames first."""

    def __init__(self, limits: int, errors: int = 0) -> None:
        """limits: how many limits a match is tried with. errors: how many errors a match has."""
        self.truth_count = 0
        self._score = [np.zeros(0, np.float32)]
        self._matched = [np.zeros((limits, 0), bool)]
        self._errors = [np.zeros((0, errors))]

    def add(self, truth_count: int, score: np.ndarray, matched: np.ndarray, errors: np.ndarray | None = None) -> None:
        """Count one frame: its true boxes, the predictions' scores (P,), matches (L, P) bool and errors (P, E)."""
        self.truth_count += truth_count
        self._score.append(score)
        self._matched.append(matched)
        self._errors.append(np.zeros((len(score), 0)) if errors is None else errors)

    @property
    def found_count(self) -> int:
        """How many predictions were counted."""
        return sum(map(len, self._score))

    def ranked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores (P,), matches (L, P) and errors (P, E) of all frames, highest score first."""
        score = np.concatenate(self._score)
        rank = by_score(score)
        return score[rank], np.concatenate(self._matched, axis=1)[:, rank], np.concatenate(self._errors)[rank]

    def curves(self) -> list[PrecisionCurve]:
        """The curve at each limit."""
        score, matched, _ = self.ranked()
        return [precision_curve(score, row, self.truth_count) for row in matched]
