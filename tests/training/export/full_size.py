"""Detectors as the shipped recipes make them, brought to life without training, so that an export has boxes to compare."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

import offline_training
from lidar_vl_core.box_heads.center_maps import HEAT
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.sweeps.joining import TIME_LAG
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector, judging_preparer
from offline_training.finetuning.tasks import load_finetune_config
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import DetectorInputs, DetectorPreparer
from offline_training.networks.second.anchor_head import CLASS, AnchorHead

RECIPES = Path(offline_training.__file__).parent / "configs" / "finetune" / "detection"
_HIGH = 0.002  # share of a class' anchors or cells that score as high as a box must
_ABOVE = 0.01  # of a logit: cells where nothing was measured all have one value, which must not be as high


def full_size(
    recipe: str, clouds: Sequence[PointCloud], **changes: object
) -> tuple[Detector, DetectorPreparer, DetectFinetuneConfig]:
    """The detector of a recipe with random weights, in evaluation mode, its preparer, and its configuration.

    Norms get the statistics of the clouds, box codes are some tenths, and the biases of the scores are moved so far that a
    few in a thousand of the anchors, or cells, of each class are boxes.
    """
    config = load_finetune_config(RECIPES / f"{recipe}.yaml", changes)
    torch.manual_seed(0)
    detector, preparer = build_detector(config), judging_preparer(config)
    inputs = [preparer([scan_of(cloud, preparer)]) for cloud in clouds]
    with torch.no_grad():
        if isinstance(detector.head, AnchorHead):
            nn.init.normal_(detector.head.conv_box.weight, 0.0, 0.01)
        _measure_norms(detector, inputs)
        _move_scores(detector, inputs, config.selection.least_score)
    return detector, preparer, config


def at_once(cloud: PointCloud) -> PointCloud:
    """A cloud file as a single sweep, for networks that read the age of points."""
    return PointCloud(
        cloud.xyz_m, cloud.intensity, cloud.stamp_ns, cloud.frame_id, {TIME_LAG: np.zeros(len(cloud), np.float32)}
    )


def scan_of(cloud: PointCloud, preparer: DetectorPreparer) -> tuple[np.ndarray, ...]:
    lag = (cloud.extra[TIME_LAG],) if preparer.with_time else ()
    return cloud.measured_xyz_m(), cloud.intensity, *lag


def _measure_norms(detector: Detector, inputs: Sequence[DetectorInputs]) -> None:
    for module in detector.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean of all clouds
    detector.train()
    for one in inputs:
        detector(one)
    detector.eval()


def _move_scores(detector: Detector, inputs: Sequence[DetectorInputs], least_score: float) -> None:
    logits: dict[str, list[np.ndarray]] = {}
    for one in inputs:
        for name, values in detector(one).items():
            if name == CLASS or name.startswith(f"{HEAT}_"):
                logits.setdefault(name, []).append(values[0].flatten(1).numpy())
    least_logit = np.log(least_score / (1.0 - least_score))
    for name, maps in logits.items():
        high = np.quantile(np.concatenate(maps, axis=1), 1.0 - _HIGH, axis=1)
        layer = detector.head.conv_cls if name == CLASS else detector.head.heads_list[int(name.partition("_")[2])].hm[1]
        layer.bias += torch.from_numpy((least_logit - high - _ABOVE).astype(np.float32))
