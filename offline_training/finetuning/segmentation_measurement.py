"""What a run of segmentation finds when it measures itself: classes of points, by one confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.runs.log import Measurement


@dataclass(frozen=True)
class SegmentationMeasurement(Measurement):
    """Measures the classes of points."""

    confusion: ConfusionMatrix
    classes: ClassTable

    def score(self) -> float:
        """Mean IoU."""
        return self.confusion.mean_iou()

    def to_dict(self) -> dict[str, Any]:
        """IoU per class, means, and the matrix."""
        return self.confusion.to_dict(self.classes.names)

    def curves(self) -> Mapping[str, float]:
        """Mean IoU, and IoU per class."""
        per_class = zip(self.classes.names, self.confusion.iou(), strict=True)
        return {
            "validation/mean_iou": self.score(),
            **{f"validation_iou/{name}": float(iou) for name, iou in per_class},
        }

    def pictures(self) -> Mapping[str, Figure]:
        """The confusion matrix as an image."""
        return {"validation/confusion": confusion_figure(self.confusion, self.classes)}


def confusion_figure(confusion: ConfusionMatrix, classes: ClassTable) -> Figure:
    """Image of the confusion matrix, each true class as shares of its points."""
    share = confusion.counts / confusion.counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(classes) + 1), [*classes.names, "no answer"], rotation=90)
    axes.set_yticks(range(len(classes)), classes.names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure
