"""Point-level quality of a model package on labelled scans, as the robot would run it. Reads the data sets."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.model_packages.package import load_model_package, packaged_models
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.datasets.data_sources import DataSource, open_source


def is_package(name_or_path: Path) -> bool:
    """Whether this is a model package, by name or as a folder, and no checkpoint."""
    return (name_or_path / "manifest.yaml").is_file() or str(name_or_path) in packaged_models()


def evaluate_package(
    name_or_path: Path, sources: Iterable[DataSource] | None, out: Path | None, threads: int = 0
) -> dict[str, Any]:
    """Evaluate a package on data sets and write metrics as JSON to `out`; their form is that of finetuning's evaluate().

    Raises BadConfig without data sets, as a package has none of its own; BadModelPackage, BadDataset, BadLabels where a
    data set has no labelled point.
    """
    if sources is None:
        raise BadConfig(
            f"{name_or_path}: expected --config with the data sets to evaluate on, found none. A package has none of its own; "
            "give a configuration such as offline_training/configs/evaluate/demo_test.yaml."
        )
    segmenter = Segmenter(load_model_package(str(name_or_path)), threads=threads or None)
    classes = segmenter.classes
    pooled = ConfusionMatrix(len(classes))
    metrics: dict[str, Any] = {"package": str(name_or_path), "sources": []}
    for source in sources:
        dataset, confusion = open_source(source, classes), ConfusionMatrix(len(classes))
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample.class_id is not None:
                confusion.add(sample.class_id, segmenter.segment(replace(sample.cloud, extra={})).class_id)
        confusion.require_points(source.title)
        pooled.merge(confusion)
        metrics["sources"].append({"title": source.title, "folder": source.folder, **confusion.to_dict(classes.names)})
    metrics["pooled"] = pooled.to_dict(classes.names)
    if out is not None:
        write_text(out, json.dumps(metrics, indent=1))
    return metrics
