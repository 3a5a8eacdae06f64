"""The network of a fine-tuning for segmentation, and its answers on labelled scans."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.finetuning.config import FinetuneConfig
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.norm_momentum import set_norm_momentum
from offline_training.runs.backbones import build_backbone, inputs_of_scan
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.resume import stored_config
from offline_training.runs.start_weights import take_weights


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
        inputs = inputs_of_scan(config, (scan.xyz_m, scan.intensity), device)
        row_class = network(inputs).argmax(dim=1).to(torch.uint8).cpu().numpy()
    network.train(was_training)
    row = inputs.row_of_point.cpu().numpy()
    answered = np.append(row_class, np.uint8(IGNORE_ID))  # the row -1 reads the last
    return answered[row]


def build_network(config: FinetuneConfig) -> PointBackbone:
    """The network a configuration names, with random weights. Raises BadConfig."""
    network = build_backbone(config, len(config.class_table))
    if config.norm_momentum is not None:
        if not isinstance(network, MinkUNet):
            raise BadConfig(
                f"norm_momentum: expected a MinkUNet, found network {config.network}. Leave norm_momentum out."
            )
        set_norm_momentum(network, config.norm_momentum)
    return network


def load_network(checkpoint_path: Path) -> tuple[PointBackbone, FinetuneConfig]:
    """The trained network of a checkpoint, in evaluation mode, with its configuration; averaged weights where there are any.

    Raises BadCheckpoint.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    if "vocabulary" in checkpoint.config:
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a checkpoint of `lidar-vl-train finetune`, found one of a run with words. "
            "Ask it with `lidar-vl-train evaluate-language`."
        )
    if checkpoint.config.get("task") == "detection":
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a network that labels points, found a detector. Choose another checkpoint."
        )
    config = stored_config(FinetuneConfig, checkpoint.config, str(checkpoint_path))
    network = build_network(config)
    take_weights(network, checkpoint, checkpoint_path)
    return network.eval(), config
