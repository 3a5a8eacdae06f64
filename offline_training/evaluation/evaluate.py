"""Quality of a trained network on data sets, of a checkpoint or a model package, of points or boxes. Reads data sets, writes files."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.model_packages.package import is_model_package, load_model_package
from offline_training.datasets.data_sources import DataSource
from offline_training.evaluation.judged import Judged
from offline_training.finetuning.tasks import DETECTION, checkpoint_task


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation."""

    metrics: dict[str, Any]  # JSON values: those of every data set under "sources"
    table: str
    pictures: list[Path]


def evaluate(
    trained: Path,
    sources: Iterable[DataSource] | None,
    out: Path | None = None,
    pictures: Path | None = None,
    threads: int = 0,
    sweeps: int = 1,
    engine: str | None = None,
) -> Evaluation:
    """Evaluate a checkpoint or a package on data sets (nothing = the checkpoint's own validation sets).

    out: where the metrics are written; pictures: the folder of drawn samples; sweeps: joined for a package that reads
    joined ones, a checkpoint knows its own; engine: what runs a package, nothing = auto. Raises BadCheckpoint,
    BadModelPackage, EngineUnavailable, BadDataset, BadLabels where a data set has no labelled point, BadConfig without
    data sets, BadRequest for the engine of a checkpoint.
    """
    if threads:
        torch.set_num_threads(threads)
    judged = _opened(trained, threads, sweeps, engine)
    chosen = judged.validation if sources is None else tuple(sources)
    kind = "package" if is_model_package(trained) else "checkpoint"
    if not chosen:
        why = "a package has none of its own" if kind == "package" else "the run has no `validation`"
        raise BadConfig(
            f"{trained}: expected data sets to evaluate on, found none: {why}. Give --config with a file that names some, "
            "such as offline_training/configs/evaluate/demo_test.yaml."
        )
    metrics = {kind: str(trained), **judged.metrics(chosen), "engine": judged.computed_by()}
    if out is not None:
        write_text(out, json.dumps(metrics, indent=1))
    drawn = [] if pictures is None else judged.write_pictures(chosen, pictures)
    return Evaluation(metrics, f"{judged.table(metrics)}\nengine: {metrics['engine']}", drawn)


def _opened(trained: Path, threads: int, sweeps: int, engine: str | None) -> Judged:
    package = load_model_package(str(trained)) if is_model_package(trained) else None
    if package is None and engine is not None:
        raise BadRequest(
            f"{trained}: expected a model package with --engine {engine}, found a checkpoint, which PyTorch runs. Leave "
            "--engine out, or `lidar-vl-train export` it."
        )
    robot_engine = engine or "auto"
    task = checkpoint_task(trained) if package is None else package.manifest.task
    # Here, as whoever judges points needs no detectors.
    if task == DETECTION:
        from offline_training.evaluation.judged_boxes import boxes_of_checkpoint, boxes_of_package

        return (
            boxes_of_checkpoint(trained)
            if package is None
            else boxes_of_package(package, robot_engine, threads, sweeps)
        )
    from offline_training.evaluation.judged_points import points_of_checkpoint, points_of_package

    return points_of_checkpoint(trained) if package is None else points_of_package(package, robot_engine, threads)
