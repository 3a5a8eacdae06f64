"""A frozen 3D network as a probe asks it: features of sweeps, pre-trained or with the random weights it began with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone, inputs_of_scan
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.device import sparse_form_of, uses_cuda
from offline_training.runs.start_weights import take_weights


@dataclass(frozen=True, eq=False)
class SweepFeatures:
    """What a network says of one sweep."""

    rows: Tensor  # (R, C) float32
    row_of_point: np.ndarray  # (N,) int64, -1 = out of the grid


class Encoder:
    """A frozen network."""

    def __init__(self, config: BackboneConfig, checkpoint: Path | None, seed: int) -> None:
        """checkpoint: None = random weights from this seed. Raises BadCheckpoint."""
        torch.manual_seed(seed)
        self._config, self._network = config, _network(config, checkpoint)
        self._device = "cuda" if uses_cuda(config) else "cpu"
        self._network.to(self._device).eval()

    def features(self, xyz_m: np.ndarray, intensity: np.ndarray) -> SweepFeatures:
        """Features of one sweep: (N, 3) float32 and (N,) float32, points with a return."""
        with torch.no_grad():
            form = sparse_form_of(self._config)
            inputs = inputs_of_scan(self._config, (xyz_m, intensity), self._device, form)
            rows = self._network.point_features(inputs).float().cpu()
        return SweepFeatures(rows, inputs.row_of_point.cpu().numpy())


def _network(config: BackboneConfig, checkpoint: Path | None) -> PointBackbone:
    network = build_backbone(config, None)
    if checkpoint is not None:
        take_weights(network, load_checkpoint(checkpoint), checkpoint)
    return network
