"""PointBackbone: what every 3D network is, so that each can be pre-trained, probed and fine-tuned by the same code.

A network has its own rows (voxels, points, ...). Its preparer, which runs in loader processes, turns scans into its
inputs and says which row each point reads.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from offline_training.networks.base.occupancy_queries import OccupancyQueries

# xyz_m (N, 3) float32, intensity (N,) float32 in 0..1 and, where a network reads colours, rgb (N, 3) uint8 of one scan.
Scan = tuple[np.ndarray, ...]
InputsT = TypeVar("InputsT", bound="BackboneInputs")


@dataclass(frozen=True)
class BackboneInputs:
    """One batch of scans, one behind the other; each network adds what it reads."""

    row_of_point: Tensor  # (P,) int64 row of the network's output for every point of the batch, -1 = none
    row_count: int  # R
    points_per_scan: tuple[int, ...]
    queries: OccupancyQueries | None = field(default=None, kw_only=True)  # no network reads them

    def scan_of_point(self) -> Tensor:
        """(P,) int64 scan of each point of the batch."""
        points = torch.tensor(self.points_per_scan, device=self.row_of_point.device)
        return torch.arange(len(points), device=points.device).repeat_interleave(points)

    def scans_of_rows(self) -> Tensor:
        """(R,) int64 scan of each row of the network's output; 0 for a row that no point reads."""
        inside = self.row_of_point >= 0
        scans = torch.zeros(self.row_count, dtype=torch.int64, device=self.row_of_point.device)
        scans[self.row_of_point[inside]] = self.scan_of_point()[inside]
        return scans

    def to(self: InputsT, device: torch.device | str) -> InputsT:
        """The same inputs on another device."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if hasattr(value, "to")})


class Preparer(Protocol):
    """Makes a network's inputs; a frozen, picklable callable."""

    def __call__(self, scans: Sequence[Scan]) -> BackboneInputs:
        """Join scans to one batch."""
        ...


class PointBackbone(nn.Module, ABC):
    """A 3D network: features per row, and with a head scores per row."""

    feature_channels: int  # C, width of point_features
    head: nn.Linear | None  # to scores; none in pre-training, which has its own heads

    @abstractmethod
    def point_features(self, inputs: BackboneInputs) -> Tensor:
        """What a head reads: (R, feature_channels)."""

    def active_features(self, inputs: BackboneInputs) -> Tensor:
        """Features (A, feature_channels) where the network computes them: the heads of pre-training act here.

        They are the rows themselves, unless a network interpolates between its cells to reach its rows.
        """
        return self.point_features(inputs)

    def to_points(self, values: Tensor, inputs: BackboneInputs) -> Tensor:
        """Values (A, C) of the active cells, for instance a head's, to the rows: (R, C)."""
        return values

    def forward(self, inputs: BackboneInputs) -> Tensor:
        """Scores (R, out_channels) of the head; the features where there is none."""
        features = self.point_features(inputs)
        return features if self.head is None else self.head(features)
