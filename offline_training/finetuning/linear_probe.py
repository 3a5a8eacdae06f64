"""Linear probing: a head on the features of a frozen network. Without augmentation the features are computed once per scan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.batches.collate import Batch
from offline_training.datasets.batches.training_scans import TrainingScans
from offline_training.networks.base.point_backbone import PointBackbone

_MOST_KEPT_VALUES = 500_000_000  # 2 GB of float32


@dataclass(frozen=True)
class FeatureRows:
    """Labelled rows of some scans."""

    features: Tensor  # (R, C) float32
    row_class: Tensor  # (R,) int64

    def to(self, device: torch.device | str) -> "FeatureRows":
        """The rows on another device."""
        return FeatureRows(self.features.to(device), self.row_class.to(device))


class FrozenFeatures(Dataset[FeatureRows]):
    """Features of the scans that TrainingScans would draw; asked for by (step, place), in the training process alone."""

    def __init__(
        self, scans: TrainingScans, network: PointBackbone, collate_scans: Callable[[Sequence[LabelledScan]], Batch]
    ) -> None:
        self._scans, self._network, self._collate = scans, network, collate_scans
        self._kept: dict[tuple[int, int], FeatureRows] = {}
        self._kept_values = 0

    def __getitem__(self, step_and_place: tuple[int, int]) -> FeatureRows:
        """The rows of one place of one step; computed again only where they found no room in memory."""
        key = self._scans.pick(*step_and_place)
        if key in self._kept:
            return self._kept[key]
        rows = self._computed(self._collate([self._scans[step_and_place]]))
        if self._kept_values + rows.features.numel() <= _MOST_KEPT_VALUES:
            self._kept[key] = rows
            self._kept_values += rows.features.numel()
        return rows

    def _computed(self, batch: Batch) -> FeatureRows:
        device = next(self._network.parameters()).device
        features = frozen_features(self._network, batch.to(device)).float().cpu()
        labelled = batch.row_class != IGNORE_ID
        return FeatureRows(features[labelled], batch.row_class[labelled])


def frozen_features(network: PointBackbone, batch: Batch) -> Tensor:
    """(R, C) what the head reads; the network is put in evaluation mode, so that its norms keep their statistics."""
    network.eval()
    with torch.no_grad():
        return network.point_features(batch.inputs)


def freeze_backbone(network: PointBackbone) -> None:
    """Leave only the head to train."""
    network.requires_grad_(False)
    head_of(network).requires_grad_(True)


def head_of(network: PointBackbone) -> nn.Linear:
    """The last layer; raises BadConfig for a network without one."""
    if network.head is None:
        raise BadConfig(
            f"{type(network).__name__}: expected a network with a head, found none. Choose another network."
        )
    return network.head


def joined_rows(parts: Sequence[FeatureRows]) -> FeatureRows:
    """The rows of several scans, one behind the other."""
    return FeatureRows(torch.cat([part.features for part in parts]), torch.cat([part.row_class for part in parts]))
