"""Point-level quality of a network on labelled scans: one confusion matrix pooled over all of them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.finetuning.config import FinetuneConfig
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.norm_momentum import set_norm_momentum
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.resume import stored_config
from offline_training.runs.start_weights import take_weights

# Rows below the classes. Mean IoU is over the classes in the truth; the benchmark's over all, 1 for those that never occur.
_SUMMARY = {"mean IoU": "mean_iou", "mean IoU, benchmark": "mean_iou_benchmark", "accuracy": "accuracy"}


def evaluate(
    checkpoint_path: Path, sources: Iterable[DataSource] | None, out: Path | None, threads: int = 0
) -> dict[str, Any]:
    """Evaluate a checkpoint on data sets (nothing = its own validation sets) and write metrics as JSON to `out`.

    Returns the same metrics: per source and pooled. Raises BadCheckpoint, BadDataset, BadConfig without data sets, BadLabels
    for one without a labelled point.
    """
    if threads:
        torch.set_num_threads(threads)
    network, config = load_network(checkpoint_path)
    chosen = config.validation if sources is None else tuple(sources)
    if not chosen:
        raise BadConfig(
            f"{checkpoint_path}: expected data sets to evaluate on, found none: the run has no `validation`. Give --config with "
            "a file that names some."
        )
    pooled = ConfusionMatrix(len(config.class_table))
    names = config.class_table.names
    metrics: dict[str, Any] = {"checkpoint": str(checkpoint_path), "sources": []}
    for source in chosen:
        dataset = open_source(source, config.class_table)
        confusion = confusion_on(network, config, (labelled_scan(dataset[i]) for i in range(len(dataset))))
        confusion.require_points(source.title)
        pooled.merge(confusion)
        metrics["sources"].append({"title": source.title, "folder": source.folder, **confusion.to_dict(names)})
    metrics["pooled"] = pooled.to_dict(names)
    if out is not None:
        write_text(out, json.dumps(metrics, indent=1))
    return metrics


def confusion_on(
    network: torch.nn.Module,
    config: FinetuneConfig,
    scans: Iterable[LabelledScan],
    device: torch.device | str = "cpu",
    stop: Callable[[], bool] = lambda: False,
) -> ConfusionMatrix:
    """Pool the answers of a network over scans, point by point; a point outside the grid has no answer, which is a miss."""
    confusion = ConfusionMatrix(len(config.class_table))
    for scan in scans:
        if stop():
            break
        confusion.add(scan.class_id, predict(network, config, scan, device))
    return confusion


def predict(
    network: torch.nn.Module, config: FinetuneConfig, scan: LabelledScan, device: torch.device | str = "cpu"
) -> np.ndarray:
    """(N,) uint8 class of each point, 255 out of range."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        inputs = preparer_of(config)([(scan.xyz_m, scan.intensity)]).to(device)
        row_class = network(inputs).argmax(dim=1).to(torch.uint8).cpu().numpy()
    network.train(was_training)
    row = inputs.row_of_point.cpu().numpy()
    answered = np.append(row_class, np.uint8(IGNORE_ID))  # the row -1 reads the last
    return answered[row]


def build_network(config: FinetuneConfig) -> PointBackbone:
    """The network a configuration names, with fresh weights. Raises BadConfig."""
    network = build_backbone(config, len(config.class_table))
    if config.norm_momentum is not None:
        if not isinstance(network, MinkUNet):
            raise BadConfig(
                f"norm_momentum: expected a MinkUNet, found network {config.network}. Leave norm_momentum out."
            )
        set_norm_momentum(network, config.norm_momentum)
    return network


def load_network(checkpoint_path: Path) -> tuple[PointBackbone, FinetuneConfig]:
    """The trained network of a checkpoint, in evaluation mode, with its configuration; averaged weights where there are any."""
    checkpoint = load_checkpoint(checkpoint_path)
    if "vocabulary" in checkpoint.config:
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a checkpoint of `lidar-vl-train finetune`, found one of a run with words. "
            "Ask it with `lidar-vl-train evaluate-language`."
        )
    config = stored_config(FinetuneConfig, checkpoint.config, str(checkpoint_path))
    network = build_network(config)
    take_weights(network, checkpoint, checkpoint_path)
    return network.eval(), config


def table(metrics: dict[str, Any]) -> str:
    """Metrics of evaluate() as text: a row per class, a column per data set, IoU in percent."""
    columns = [(source["title"], source) for source in metrics["sources"]]
    columns.append(("pooled", metrics["pooled"]))
    width = max(len(title) for title, _ in columns) + 2
    rows = [("class", [title for title, _ in columns])]
    for name in metrics["pooled"]["per_class_iou"]:
        rows.append((name, [_percent(column["per_class_iou"][name]) for _, column in columns]))
    for name, key in _SUMMARY.items():
        rows.append((name, [_percent(column[key]) for _, column in columns]))
    return "\n".join(f"{name:24}" + "".join(f"{cell:>{width}}" for cell in cells) for name, cells in rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
