"""Quality of a trained detector: KITTI's numbers on KITTI, nuScenes' on nuScenes, AP by centre distance on other data."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.data_sources import DataSource
from offline_training.finetuning.detection.detectors import load_detector
from offline_training.finetuning.detection.judging import measured
from offline_training.runs.device import uses_cuda


def evaluate_detector(
    checkpoint_path: Path, sources: Iterable[DataSource] | None, out: Path | None, threads: int = 0
) -> dict[str, Any]:
    """Judge a checkpoint on data sets (nothing = its own validation sets) and write metrics as JSON to `out`.

    Returns the same metrics, data set by data set. Raises BadCheckpoint, BadDataset, BadConfig without data sets.
    """
    if threads:
        torch.set_num_threads(threads)
    network, config = load_detector(checkpoint_path)
    chosen = config.validation if sources is None else tuple(sources)
    if not chosen:
        raise BadConfig(
            f"{checkpoint_path}: expected data sets to evaluate on, found none: the run has no `validation`. Give --config with "
            "a file that names some."
        )
    device = "cuda" if uses_cuda(config) else "cpu"
    network.to(device)
    quality = measured(network, config, chosen, device)
    metrics: dict[str, Any] = {"checkpoint": str(checkpoint_path), **({} if quality is None else quality.to_dict())}
    if out is not None:
        write_text(out, json.dumps(metrics, indent=1))
    return metrics
