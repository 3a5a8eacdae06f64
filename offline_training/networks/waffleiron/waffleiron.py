"""WaffleIron (Puy et al., ICCV 2023): points mixed by dense 2D convolutions, with no sparse kernel at all.

Each layer flattens the points along one axis onto a grid, convolves it, reads the cells back (SpatialMix), then mixes the
channels of each point (ChannelMix). The axis cycles z, y, x.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lidar_vl_core.voxels.flat_grids import FEATURES, PLANES
from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.waffleiron.inputs import WaffleInputs
from offline_training.networks.waffleiron.waffleiron_shapes import WaffleIronShape

_FIRST_LAYER_SCALE = 0.1  # our choice: with it a hundred branches add about as much as the stem gives


class WaffleIron(PointBackbone):
    """Features of kept points to features, or scores, of kept points."""

    def __init__(self, shape: WaffleIronShape, out_channels: int | None) -> None:
        """out_channels: scores of the head; None = no head."""
        super().__init__()
        self.shape = shape
        self.embedding = Embedding(len(FEATURES), shape.channels)
        self.layers = nn.ModuleList(WaffleLayer(shape) for _ in range(shape.layers))
        self.feature_channels = shape.channels
        self.head = None if out_channels is None else nn.Linear(shape.channels, out_channels)

    def point_features(self, inputs: BackboneInputs) -> Tensor:
        """What the head reads: (R, channels). Raises TypeError for the inputs of another kind of network."""
        if not isinstance(inputs, WaffleInputs):
            raise TypeError(f"expected WaffleInputs, found {type(inputs).__name__}")
        x = self.embedding(inputs.features, inputs.neighbours)
        planes = [FlatGrid.of(inputs, plane) for plane in range(len(PLANES))]
        paths = self._paths(inputs).to(x)
        for index, layer in enumerate(self.layers):
            x = layer(x, planes[index % len(PLANES)], paths[index], inputs.scan_of_row)
        return x

    def _paths(self, inputs: WaffleInputs) -> Tensor:
        """Stochastic depth (Huang et al., ECCV 2016): factors (layers, 2, B) of the branches of each scan.

        In training some are left out, and the others enlarged to the same mean; drawn from the seed of the batch.
        """
        count = (len(self.layers), 2, inputs.scan_count)
        if not self.training or self.shape.drop_path == 0:
            return torch.ones(count)
        kept = torch.rand(count, generator=torch.Generator().manual_seed(inputs.seed)) >= self.shape.drop_path
        return kept / (1 - self.shape.drop_path)


@dataclass(frozen=True)
class FlatGrid:
    """One axis flattened: where the points lie in the grids of all scans."""

    cell: Tensor  # (R,) int64
    weight: Tensor  # (R,) float32: 1 / points of the same cell
    shape: tuple[int, int, int]  # scans, rows, columns

    @classmethod
    def of(cls, inputs: WaffleInputs, plane: int) -> "FlatGrid":
        """The grids of one plane of PLANES."""
        cell, shape = inputs.cells[plane], (inputs.scan_count, *inputs.grid_shapes[plane])
        count = torch.bincount(cell, minlength=shape[0] * shape[1] * shape[2])
        return cls(cell, 1 / count[cell].to(inputs.features.dtype), shape)

    def mean(self, x: Tensor) -> Tensor:
        """Mean of the points of every cell, 0 where there is none: (R, C) to (B, C, rows, columns)."""
        scans, rows, columns = self.shape
        total = x.new_zeros(scans * rows * columns, x.shape[1])
        total = total.index_add(0, self.cell, x * self.weight[:, None].to(x.dtype))
        return total.view(scans, rows, columns, -1).permute(0, 3, 1, 2)  # channels last in memory

    def read(self, grid: Tensor) -> Tensor:
        """What the cell of every point holds: (B, C, rows, columns) to (R, C)."""
        return grid.permute(0, 2, 3, 1).reshape(-1, grid.shape[1]).index_select(0, self.cell)


class SpatialMix(nn.Module):
    """Norm, points to a flat grid, two depthwise 3x3 convolutions, grid to points, LayerScale."""

    def __init__(self, channels: int, layer_norm: bool = False, gelu: bool = False) -> None:
        super().__init__()
        self.gelu = gelu
        self.norm = _norm(channels, layer_norm)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.scale = nn.Parameter(torch.full((channels,), _FIRST_LAYER_SCALE))

    def forward(self, x: Tensor, grid: FlatGrid) -> Tensor:
        """The branch alone: (R, C) to (R, C)."""
        mixed = self.conv2(_activated(self.conv1(grid.mean(self.norm(x))), self.gelu))
        return grid.read(mixed) * self.scale


class ChannelMix(nn.Module):
    """Norm, two linear layers of the same width, LayerScale."""

    def __init__(self, channels: int, layer_norm: bool = False, gelu: bool = False) -> None:
        super().__init__()
        self.gelu = gelu
        self.norm = _norm(channels, layer_norm)
        self.linear1 = nn.Linear(channels, channels)
        self.linear2 = nn.Linear(channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), _FIRST_LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """The branch alone: (R, C) to (R, C)."""
        return self.linear2(_activated(self.linear1(self.norm(x)), self.gelu)) * self.scale


class WaffleLayer(nn.Module):
    """Both mixes, each beside a shortcut."""

    def __init__(self, shape: WaffleIronShape) -> None:
        super().__init__()
        self.spatial = SpatialMix(shape.channels, shape.layer_norm, shape.gelu)
        self.channel = ChannelMix(shape.channels, shape.layer_norm, shape.gelu)

    def forward(self, x: Tensor, grid: FlatGrid, paths: Tensor, scan_of_row: Tensor) -> Tensor:
        """x: (R, C); paths: (2, B) factors of the branches of each scan. Returns (R, C)."""
        of_spatial, of_channel = paths[:, scan_of_row, None]  # (R, 1) each
        x = x + self.spatial(x, grid) * of_spatial
        return x + self.channel(x) * of_channel


class Embedding(nn.Module):
    """A point's own features beside the strongest of its differences to its neighbours."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.norm = VoxelNorm(in_channels)
        self.own = nn.Linear(in_channels, channels)
        self.neighbour_norm = VoxelNorm(in_channels)
        self.neighbour1 = nn.Linear(in_channels, channels, bias=False)
        self.neighbour_norm1 = VoxelNorm(channels)
        self.neighbour2 = nn.Linear(channels, channels, bias=False)
        self.merge = nn.Linear(2 * channels, channels)

    def forward(self, features: Tensor, neighbours: Tensor) -> Tensor:
        """features: (R, in_channels), neighbours: (R, K) rows. Returns (R, channels)."""
        x = self.norm(features)
        rows, count = neighbours.shape
        centre = x.repeat_interleave(count, dim=0)
        difference = x.index_select(0, neighbours.reshape(-1)) - centre  # (R * K, in_channels)
        hidden = torch.relu(self.neighbour_norm1(self.neighbour1(self.neighbour_norm(difference))))
        around = self.neighbour2(hidden).view(rows, count, self.merge.out_features).amax(dim=1)
        return self.merge(torch.cat([self.own(x), around], dim=1))


def _norm(channels: int, layer_norm: bool) -> VoxelNorm | nn.LayerNorm:
    return nn.LayerNorm(channels) if layer_norm else VoxelNorm(channels)


def _activated(x: Tensor, gelu: bool) -> Tensor:
    return nn.functional.gelu(x) if gelu else torch.relu(x)
