"""Networks that label points: one confusion matrix pooled over all scans of all data sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.evaluation.error_maps import write_error_maps
from offline_training.evaluation.judged import PYTORCH, Judged, told_engine
from offline_training.finetuning.evaluate import load_network, predict
from offline_training.runs.device import uses_cuda

# Rows below the classes. Mean IoU is over the classes in the truth; the benchmark's over all, 1 for those that never occur.
_SUMMARY = {"mean IoU": "mean_iou", "mean IoU, benchmark": "mean_iou_benchmark", "accuracy": "accuracy"}


@dataclass(frozen=True)
class JudgedPoints(Judged):
    """Whatever labels points; a point without an answer is a miss."""

    classes: ClassTable
    label: Callable[[Sample], np.ndarray]  # (R,) uint8 class of each point of labelled_scan(), 255 = no answer

    def metrics(self, sources: Sequence[DataSource]) -> dict[str, Any]:
        """Metrics of each data set and pooled. Raises BadLabels for a data set without a labelled point."""
        pooled = ConfusionMatrix(len(self.classes))
        by_source = []
        for source in sources:
            confusion = self._confusion(source)
            confusion.require_points(source.title)
            pooled.merge(confusion)
            own = {"title": source.title, "folder": source.folder}
            by_source.append({**own, **confusion.to_dict(self.classes.names)})
        return {"sources": by_source, "pooled": pooled.to_dict(self.classes.names)}

    def table(self, metrics: Mapping[str, Any]) -> str:
        """A row per class, a column per data set, IoU in percent."""
        columns = [(source["title"], source) for source in metrics["sources"]]
        columns.append(("pooled", metrics["pooled"]))
        width = max(len(title) for title, _ in columns) + 2
        rows = [("class", [title for title, _ in columns])]
        for name in metrics["pooled"]["per_class_iou"]:
            rows.append((name, [_percent(column["per_class_iou"][name]) for _, column in columns]))
        for name, key in _SUMMARY.items():
            rows.append((name, [_percent(column[key]) for _, column in columns]))
        return "\n".join(f"{name:24}" + "".join(f"{cell:>{width}}" for cell in cells) for name, cells in rows)

    def write_pictures(self, sources: Sequence[DataSource], folder: Path) -> list[Path]:
        """Truth, prediction and errors. Raises BadDataset when none of the scans has labels."""
        return write_error_maps(self.classes, self.label, sources, folder)

    def _confusion(self, source: DataSource) -> ConfusionMatrix:
        dataset, confusion = open_source(source, self.classes), ConfusionMatrix(len(self.classes))
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample.class_id is not None:
                confusion.add(labelled_scan(sample).class_id, self.label(sample))
        return confusion


def points_of_checkpoint(path: Path) -> JudgedPoints:
    """The network of a run of `finetune`, with averaged weights where there are any. Raises BadCheckpoint."""
    network, config = load_network(path)
    device = "cuda" if uses_cuda(config) else "cpu"
    network.to(device)
    return JudgedPoints(
        config.validation,
        lambda: PYTORCH,
        config.class_table,
        lambda sample: predict(network, config, labelled_scan(sample), device),
    )


def points_of_package(package: ModelPackage, engine: str, threads: int = 0) -> JudgedPoints:
    """A package as the robot runs it by that engine. threads: 0 = as many as are good. Raises EngineUnavailable."""
    segmenter = Segmenter(package, engine, threads or None)

    def label(sample: Sample) -> np.ndarray:
        cloud = replace(sample.cloud, extra={})
        return segmenter.segment(cloud).class_id[cloud.has_return()]

    return JudgedPoints((), lambda: told_engine(segmenter), segmenter.classes, label)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
