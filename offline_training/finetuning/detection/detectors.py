"""The detectors and their preparers, as configurations name them; and the trained one of a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lidar_vl_core.box_heads.anchors import AnchorKind
from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.finetuning.detection.config import PV_RCNN, SECOND, DetectFinetuneConfig
from offline_training.networks.centerpoint.centerpoint import CenterPoint, CenterSettings
from offline_training.networks.detection.bev_backbone import BevShape
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import DetectorPreparer
from offline_training.networks.pv_rcnn.inputs import PvRcnnPreparer
from offline_training.networks.pv_rcnn.pv_rcnn import PvRcnn
from offline_training.networks.second.anchor_head import AnchorSettings
from offline_training.networks.second.assignment import MatchThresholds
from offline_training.networks.second.second import Second
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.resume import stored_config
from offline_training.runs.start_weights import take_weights


def build_detector(config: DetectFinetuneConfig) -> Detector[Any]:
    """The network a configuration names, with random weights."""
    backbone = VoxelEncoder(_point_channels(config), config.residual)
    bev = BevShape(
        config.bev_layers, config.bev_strides, config.bev_widths, config.bev_up_strides, config.bev_up_widths
    )
    selection = config.selection.selection()
    if config.network == SECOND:
        return Second(backbone, config.grid, _anchors(config), bev, selection)
    if config.network == PV_RCNN:
        return PvRcnn(backbone, config.grid, _anchors(config), bev, selection, _point_channels(config) - 3)
    settings = CenterSettings(
        groups=config.class_groups,
        velocity=config.velocity,
        axis_alone=config.axis_alone,
        shared_channels=config.shared_channels,
        box_weight=config.box_weight,
        selection=selection,
    )
    return CenterPoint(backbone, config.grid, settings, bev)


def training_preparer(config: DetectFinetuneConfig, form: str = "auto") -> DetectorPreparer:
    """What turns scans into the network's inputs in training; form: of sparse convolutions. Raises BadConfig."""
    kind = PvRcnnPreparer if config.network == PV_RCNN else DetectorPreparer
    return kind(config.grid, config.most_points, config.most_voxels, config.intensity_scale, config.sweeps > 1, form)


def judging_preparer(config: DetectFinetuneConfig) -> DetectorPreparer:
    """What turns scans into the network's inputs where it is evaluated: with room for more voxels. Raises BadConfig."""
    return replace(training_preparer(config), most_voxels=config.most_voxels_judged)


def load_detector(checkpoint_path: Path) -> tuple[Detector[Any], DetectFinetuneConfig]:
    """The trained detector of a checkpoint, in evaluation mode, with its configuration. Raises BadCheckpoint, BadConfig."""
    checkpoint = load_checkpoint(checkpoint_path)
    if checkpoint.config.get("task") != "detection":
        raise BadCheckpoint(
            f"{checkpoint_path}: expected a checkpoint of a detector, found one of another task. Train one with "
            "`lidar-vl-train finetune` and a file with `task: detection`."
        )
    config = stored_config(DetectFinetuneConfig, checkpoint.config, str(checkpoint_path))
    network = build_detector(config)
    take_weights(network, checkpoint, checkpoint_path)
    network.eval()
    return network, config


def _anchors(config: DetectFinetuneConfig) -> AnchorSettings:
    """Those of KITTI where the configuration names none."""
    if not config.anchors:
        return AnchorSettings()
    names = config.class_table.names
    kinds = [AnchorKind(names.index(anchor.name), anchor.size, anchor.bottom) for anchor in config.anchors]
    thresholds = [MatchThresholds(anchor.matched, anchor.unmatched) for anchor in config.anchors]
    return AnchorSettings(tuple(kinds), tuple(thresholds))


def _point_channels(config: DetectFinetuneConfig) -> int:
    """Mean x, y, z and intensity of a voxel and, where sweeps are joined, the age of its points."""
    return 5 if config.sweeps > 1 else 4
