"""How good the boxes of a detector are on one data set, and on all that a run is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from offline_training.runs.log import Measurement


@dataclass(frozen=True)
class SourceQuality:
    """The answers on one data set, by the numbers of its benchmark."""

    title: str
    folder: str
    benchmark: str  # kitti, nuscenes or centre_distance
    score: float  # what weights are chosen by, 0..1; NaN where the truth has nothing to find
    class_scores: Mapping[str, float]  # the same by class; NaN where the truth has none of it
    metrics: Mapping[str, Any]  # JSON values

    def to_dict(self) -> dict[str, Any]:
        """The quality as JSON values."""
        by_class = {name: _null_for_nan(score) for name, score in self.class_scores.items()}
        own = {"title": self.title, "folder": self.folder, "benchmark": self.benchmark}
        return {**own, "score": _null_for_nan(self.score), "class_scores": by_class, **self.metrics}


@dataclass(frozen=True)
class DetectionMeasurement(Measurement):
    """The data sets a run is measured on."""

    sources: tuple[SourceQuality, ...]

    def score(self) -> float:
        """The mean over the data sets that have something to find."""
        scores = [source.score for source in self.sources if not np.isnan(source.score)]
        return float(np.mean(scores)) if scores else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Data set by data set."""
        return {"score": _null_for_nan(self.score()), "sources": [source.to_dict() for source in self.sources]}

    def curves(self) -> Mapping[str, float]:
        """The score of each data set, and of all."""
        by_source = {f"validation/{number} {source.title}": source.score for number, source in enumerate(self.sources)}
        return {"validation/score": self.score(), **by_source}

    def pictures(self) -> Mapping[str, Figure]:
        """The scores of the classes."""
        return {"validation/classes": class_score_figure(self.sources)}


def class_score_figure(sources: tuple[SourceQuality, ...]) -> Figure:
    """Bars: a row of them for each data set, one for each of its classes that the truth has."""
    figure = Figure(figsize=(8, 2.2 * len(sources)), layout="constrained")
    for axes, source in zip(figure.subplots(len(sources), 1, squeeze=False)[:, 0], sources, strict=True):
        axes.bar(range(len(source.class_scores)), [100 * score for score in source.class_scores.values()])
        axes.set_xticks(range(len(source.class_scores)), source.class_scores, rotation=20, fontsize=7)
        axes.set_ylim(0, 100)
        axes.set_title(f"{source.title}: {source.benchmark}, %", fontsize=8)
    return figure


def _null_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
