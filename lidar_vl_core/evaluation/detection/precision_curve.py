"""Precision over recall as nuScenes samples it, and the average precision below it.

Source: Caesar et al. 2020, nuScenes, section 3.1: the area under the curve where recall and precision are above 10 %.
"""

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0.0, 1.0, 101)
_MIN_PRECISION = 0.1
_FIRST = 11  # of RECALLS: the first one above a recall of 10 %


@dataclass(frozen=True)
class PrecisionCurve:
    """Precision and errors at the recalls RECALLS; beyond its highest recall both are 0."""

    precision: np.ndarray  # (101,)
    score: np.ndarray  # (101,), at which the recall is reached

    def average_precision(self) -> float:
        """Mean of the precision above 10 % over the recalls above 10 %, scaled to 0..1."""
        gain = np.maximum(self.precision[_FIRST:] - _MIN_PRECISION, 0.0)
        return float(gain.mean() / (1.0 - _MIN_PRECISION))

    def mean_error(self, score: np.ndarray, error: np.ndarray) -> float:
        """Mean of the running mean of an error over the recalls from 11 % to the highest; 1 where that is lower.

        score, error: (M,) of the matched predictions, highest score first. NaN errors are not counted; all NaN gives 1.
        """
        reached = np.flatnonzero(self.score)
        last = reached[-1] if len(reached) else 0
        if last < _FIRST:
            return 1.0
        running = _running_mean(error)
        at_recalls = np.interp(self.score[::-1], score[::-1], running[::-1])[::-1]
        return float(at_recalls[_FIRST : last + 1].mean())


def precision_curve(score: np.ndarray, matched: np.ndarray, truth_count: int) -> PrecisionCurve:
    """The curve of a class. score (P,), matched (P,) bool: its predictions in all frames, highest score first."""
    if truth_count == 0 or not matched.any():
        return PrecisionCurve(np.zeros(len(RECALLS)), np.zeros(len(RECALLS)))
    right = np.cumsum(matched).astype(float)
    precision = right / np.arange(1, len(matched) + 1)
    recall = right / truth_count
    return PrecisionCurve(
        np.interp(RECALLS, recall, precision, right=0.0), np.interp(RECALLS, recall, score.astype(float), right=0.0)
    )


def _running_mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    count = np.cumsum(known)
    return np.divide(np.nancumsum(values), count, out=np.zeros(len(values)), where=count > 0)
