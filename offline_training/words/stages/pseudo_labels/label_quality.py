"""The quality of pseudo labels where truth is available: reported, never used for a decision. Touches the disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.files import write_text

_NOTE = "compared with the truth of the data set after all labels were made; no decision of a run reads it"


class LabelQuality:
    """Counts of correct and wrong pseudo labels over scenes."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._confusion = ConfusionMatrix(len(names))
        self._scenes: dict[str, dict[str, int]] = {}
        self._labelled, self._visible, self._points = np.zeros(len(names), np.int64), 0, 0

    def add(self, name: str, class_id: np.ndarray, visible: np.ndarray, truth: np.ndarray | None) -> None:
        """Add one scene: class_id (N,) uint8, visible (N,) bool, truth (N,) uint8 in the same classes, None = unknown."""
        self._labelled += np.bincount(class_id[class_id != IGNORE_ID], minlength=len(self._names))
        self._visible += int(visible.sum())
        self._points += len(class_id)
        if truth is not None:
            self._confusion.add(truth, class_id)
            labelled = (truth != IGNORE_ID) & (class_id != IGNORE_ID)
            self._scenes[name] = {
                "known": int((truth != IGNORE_ID).sum()),
                "labelled": int(labelled.sum()),
                "right": int((labelled & (truth == class_id)).sum()),
            }

    def to_dict(self) -> dict[str, Any]:
        """The quality as JSON values: coverage, and precision, recall and IoU per class if truth was available."""
        points = max(self._points, 1)
        told: dict[str, Any] = {
            "points": self._points,
            "visible_share": self._visible / points,
            "labelled_share": int(self._labelled.sum()) / points,
            "labelled_points_per_class": dict(zip(self._names, self._labelled.tolist(), strict=True)),
        }
        if self._confusion.points:
            told["against_truth"] = {"note": _NOTE, **self._against_truth()}
        return told

    def write(self, path: Path) -> None:
        """Write to_dict() as JSON."""
        write_text(path, json.dumps(self.to_dict(), indent=1))

    def _against_truth(self) -> dict[str, Any]:
        confusion = self._confusion
        answered = confusion.counts[:, :-1]
        right, labelled = int(np.trace(answered)), int(answered.sum())
        return {
            "accuracy_of_labelled": right / labelled if labelled else None,
            "coverage": labelled / confusion.points,
            "per_class_precision": _by_name(self._names, confusion.precision()),
            "per_class_coverage": _by_name(
                self._names, answered.sum(axis=1) / np.maximum(confusion.counts.sum(axis=1), 1)
            ),
            **confusion.to_dict(self._names),
            "scenes": self._scenes,
        }


def _by_name(names: tuple[str, ...], values: np.ndarray) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in zip(names, values, strict=True)}
