"""Statistics of a model's answers: which classes, how confident, and whether that drifts. No ROS here."""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from lidar_vl_ros.health.health import OK, WARN, Report

_RECENT = 50  # clouds, 5 s of a 10 Hz LiDAR
_LONG = 3000  # clouds, 5 minutes: how far the usual remembers
_MOST_FALL = 0.1  # of the mean probability
_NO_CLASS = 255


class AnswerStatistics:
    """Compares the last 50 clouds with a long-term mean; `add` is the worker's, `report` the executor thread's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clouds = 0  # that the usual is the mean of, 3000 at most
        self._start_anew(())

    def add(self, class_id: np.ndarray, probability: np.ndarray, names: Sequence[str]) -> None:
        """Add the answers for a cloud: (N,) uint8 with 255 = no answer, (N,) float32, and the names of the classes."""
        counts = np.bincount(class_id, minlength=_NO_CLASS + 1)
        counts, answers = counts[: len(names)], int(counts[:_NO_CLASS].sum())
        confidence = float(probability[class_id != _NO_CLASS].mean()) if answers else np.nan
        with self._lock:
            if self._names != tuple(names):  # other words
                self._start_anew(names)
            self._recent.append((counts, confidence))
            if answers:
                self._clouds = min(self._clouds + 1, _LONG)
                self._usual_share += (counts / answers - self._usual_share) / self._clouds
                self._usual_confidence += (confidence - self._usual_confidence) / self._clouds

    def report(self) -> Report:
        """Shares of the classes, mean probability, and how far both are from the mean of the last five minutes.

        histogram_drift: half the sum of the shares' absolute differences, 0 = as usual, 1 = nothing in common.
        """
        with self._lock:
            if not self._clouds or not self._recent:
                return Report(OK, "no answers so far", {})
            counts = np.sum([counts for counts, _ in self._recent], axis=0)
            told = [confidence for _, confidence in self._recent if not np.isnan(confidence)]
            usual_share, usual = self._usual_share.copy(), self._usual_confidence
            names = self._names
        if not told or not counts.sum():
            return Report(OK, f"no answers in the last {_RECENT} clouds", {})
        share, confidence = counts / counts.sum(), float(np.mean(told))
        values = {
            "confidence": f"{confidence:.3f}",
            "confidence_drift": f"{confidence - usual:+.3f}",
            "histogram_drift": f"{0.5 * np.abs(share - usual_share).sum():.3f}",
        }
        order = np.argsort(-share, kind="stable")
        values |= {f"share {names[row]}": f"{share[row]:.3f}" for row in order if share[row] > 0}
        if usual - confidence > _MOST_FALL:
            text = f"mean probability {confidence:.2f}, {usual:.2f} before: the scene may differ from the training data"
            return Report(WARN, text, values)
        return Report(OK, f"mean probability {confidence:.2f}, mostly {names[order[0]]}", values)

    def _start_anew(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._recent: deque[tuple[np.ndarray, float]] = deque(maxlen=_RECENT)
        self._usual_share = np.zeros(len(names))
        self._usual_confidence = 0.0
        self._clouds = 0
