"""Segmentation quality from one confusion matrix pooled over all points of all frames."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels


class ConfusionMatrix:
    """Counts of (true class, predicted class), pooled as nuScenes-lidarseg and SemanticKITTI do.

    Points whose truth is 255 are not counted. A prediction of 255 (no answer) is a miss: it stands in an extra last
    column, so it lowers the recall of the true class and is no class's false alarm.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes < IGNORE_ID:
            raise BadLabels(f"expected 1 to {IGNORE_ID - 1} classes, found {num_classes}.")
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)  # rows: truth; columns: prediction, no answer

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count one frame. truth, prediction: (N,) integer class ids; 255 = ignore, no answer.

        Raises BadLabels when the lengths differ or an id is not a class; nothing is counted then.
        """
        true_id, predicted_id = np.asarray(truth).reshape(-1), np.asarray(prediction).reshape(-1)
        if len(true_id) != len(predicted_id):
            raise BadLabels(
                f"expected one prediction per true label, found {len(predicted_id)} for {len(true_id)} labels. "
                "Give both for the same points."
            )
        self._require_class_ids("truth", true_id)
        self._require_class_ids("prediction", predicted_id)
        judged = true_id != IGNORE_ID
        row = true_id[judged].astype(np.int64)
        column = np.minimum(predicted_id[judged].astype(np.int64), self.num_classes)  # 255 -> the extra column
        cell = row * (self.num_classes + 1) + column
        self.counts += np.bincount(cell, minlength=self.counts.size).reshape(self.counts.shape)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix over the same classes. Raises BadLabels for other classes."""
        if other.num_classes != self.num_classes:
            raise BadLabels(f"expected {self.num_classes} classes, found {other.num_classes}. Use one class table.")
        self.counts += other.counts

    @property
    def points(self) -> int:
        """How many points were counted."""
        return int(self.counts.sum())

    def require_points(self, what: str) -> None:
        """Raise BadLabels where nothing was counted: no metric would mean anything. what: was evaluated, for the message."""
        if self.points == 0:
            raise BadLabels(
                f"{what}: expected labelled points to evaluate on, found none: no labels there, or every one is ignored (255). "
                "Name data with labels, and the class table and split that they are of."
            )

    def iou(self) -> np.ndarray:
        """(K,) float64 intersection over union; NaN for a class that is neither in the truth nor predicted."""
        return self._ratio(self._true_positives(), self._in_truth() + self._predicted() - self._true_positives())

    def recall(self) -> np.ndarray:
        """(K,) share of a class's true points that were found; NaN where the truth has none."""
        return self._ratio(self._true_positives(), self._in_truth())

    def precision(self) -> np.ndarray:
        """(K,) share of a class's predictions that were right; NaN where nothing was predicted."""
        return self._ratio(self._true_positives(), self._predicted())

    def accuracy(self) -> float:
        """Share of all counted points that got their true class; NaN without points."""
        return float(self._true_positives().sum() / self.points) if self.points else float("nan")

    def mean_iou(self) -> float:
        """Mean over the classes that occur in the truth; NaN when there is none."""
        present = self._in_truth() > 0
        return float(self.iou()[present].mean()) if present.any() else float("nan")

    def mean_iou_all_classes(self) -> float:
        """Mean over all classes, with 0 for those that never occur, as in SemanticKITTI's evaluator; NaN without points."""
        return float(np.nan_to_num(self.iou(), nan=0.0).mean()) if self.points else float("nan")

    def mean_iou_nuscenes(self) -> float:
        """Mean over the classes that were true or predicted somewhere: what nuScenes-lidarseg's evaluator reports.

        It is lower than mean_iou() by the classes that were predicted but never true. NaN without points.
        """
        iou = self.iou()[~np.isnan(self.iou())]
        return float(iou.mean()) if len(iou) else float("nan")

    def mean_iou_benchmark(self) -> float:
        """Mean over all classes, with 1 for those neither true nor predicted, as in SLidR's and OLIVINE's code.

        NaN without points.
        """
        return float(np.nan_to_num(self.iou(), nan=1.0).mean()) if self.points else float("nan")

    def iou_of_answered(self) -> np.ndarray:
        """(K,) float64 IoU of the points that have an answer; NaN for a class neither among their truths nor predicted."""
        answered = self.counts[:, : self.num_classes].sum(axis=1)
        return self._ratio(self._true_positives(), answered + self._predicted() - self._true_positives())

    def mean_iou_openscene(self) -> float:
        """Mean over all classes of iou_of_answered(), with 0 for those it does not know, as in OpenScene's and 3DSS-VLG's code.

        Points without an answer do not lower it, which they do every other mean. NaN without points.
        """
        return float(np.nan_to_num(self.iou_of_answered(), nan=0.0).mean()) if self.points else float("nan")

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Everything as JSON-ready numbers; NaN becomes None. names: one per class.

        Raises BadLabels for another number of names.
        """
        if len(names) != self.num_classes:
            raise BadLabels(f"expected {self.num_classes} class names, found {len(names)}.")
        return {
            "points": self.points,
            "accuracy": _json_number(self.accuracy()),
            "mean_iou": _json_number(self.mean_iou()),
            "mean_iou_all_classes": _json_number(self.mean_iou_all_classes()),
            "mean_iou_nuscenes": _json_number(self.mean_iou_nuscenes()),
            "mean_iou_benchmark": _json_number(self.mean_iou_benchmark()),
            "per_class_iou": {name: _json_number(value) for name, value in zip(names, self.iou(), strict=True)},
            "points_per_class": {name: int(count) for name, count in zip(names, self._in_truth(), strict=True)},
            "confusion": self.counts[:, : self.num_classes].tolist(),  # row: truth, column: prediction
            "no_answer_per_class": dict(zip(names, self.counts[:, self.num_classes].tolist(), strict=True)),
        }

    def _true_positives(self) -> np.ndarray:
        return np.diagonal(self.counts[:, : self.num_classes])

    def _in_truth(self) -> np.ndarray:
        return self.counts.sum(axis=1)

    def _predicted(self) -> np.ndarray:
        return self.counts[:, : self.num_classes].sum(axis=0)

    def _ratio(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)

    def _require_class_ids(self, what: str, ids: np.ndarray) -> None:
        if ids.dtype.kind not in "iu":
            raise BadLabels(f"{what}: expected integer class ids, found {ids.dtype}. Convert them first.")
        wrong = (ids >= self.num_classes) & (ids != IGNORE_ID)
        if ids.dtype.kind == "i":
            wrong |= ids < 0
        if wrong.any():
            raise BadLabels(
                f"{what}: expected class ids 0..{self.num_classes - 1} or {IGNORE_ID}, found "
                f"{np.unique(ids[wrong])[:8].tolist()}. Map raw labels to the class table first."
            )


def _json_number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
