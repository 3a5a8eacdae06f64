"""The sparse 3D encoder of SECOND (Yan et al., 2018) as OpenPCDet builds it: voxels to the cells of a map seen from above."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.convolution import sparse_conv
from offline_training.networks.sparse.maps import NeighbourTable
from offline_training.networks.voxelnet.conv_tables import ConvTables

WIDTHS = (16, 32, 64, 64)  # channels of the four levels
RESIDUAL_WIDTHS = (16, 32, 64, 128)
MAP_CHANNELS = 128
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.01


class VoxelEncoder(nn.Module):
    """Mean points of voxels to features of the active cells of the map: what pre-training and detection share.

    Its names in a state dictionary are input, levels.L.U and output, of convolutions [K, C_in, C_out] and norms.
    """

    def __init__(self, in_channels: int, residual: bool = False) -> None:
        """in_channels: mean x, y, z, intensity, and whatever else a voxel's mean point has.

        residual: with residual units and a wider last level, as CenterPoint's published networks for nuScenes have them.
        """
        super().__init__()
        self.in_channels = in_channels
        self.widths = RESIDUAL_WIDTHS if residual else WIDTHS
        self.input = TableUnit(in_channels, self.widths[0], 27)
        first = [ResidualUnit(self.widths[0]) for _ in range(2)] if residual else [TableUnit(WIDTHS[0], WIDTHS[0], 27)]
        self.levels = nn.ModuleList([nn.ModuleList(first)])
        for fine, coarse in pairwise(self.widths):
            units = [ResidualUnit(coarse) if residual else TableUnit(coarse, coarse, 27) for _ in range(2)]
            self.levels.append(nn.ModuleList([TableUnit(fine, coarse, 27), *units]))
        self.output = TableUnit(self.widths[-1], MAP_CHANNELS, 3)

    def level_features(self, features: Tensor, tables: ConvTables) -> list[Tensor]:
        """Features (V_l, widths[l]) of the active voxels of the four levels, from those of the voxels (V_0, in_channels)."""
        x = self.input(features, tables.subm[0], tables.form)
        outputs = []
        for level, units in enumerate(self.levels):
            for position, unit in enumerate(cast(nn.ModuleList, units)):
                strided = level > 0 and position == 0
                x = unit(x, tables.strided[level - 1] if strided else tables.subm[level], tables.form)
            outputs.append(x)
        return outputs

    def map_features(self, last_level: Tensor, tables: ConvTables) -> Tensor:
        """Features (A, 128) of the active cells of the map, from those of the last level."""
        return self.output(last_level, tables.strided[-1], tables.form)

    def encode(self, features: Tensor, tables: ConvTables) -> Tensor:
        """Features (A, 128) of the active cells of the map, from those of the voxels (V_0, in_channels)."""
        return self.map_features(self.level_features(features, tables)[-1], tables)


class TableUnit(nn.Module):
    """Convolution over a table, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_volume: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(kernel_volume, in_channels, out_channels)
        self.norm = VoxelNorm(out_channels, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)

    def forward(self, x: Tensor, table: NeighbourTable, form: str) -> Tensor:
        """x: (rows in, C_in). Returns (rows of the table, C_out)."""
        return torch.relu(self.norm(_convolved(x, self.weight, table, form)))


class ResidualUnit(nn.Module):
    """Two submanifold convolutions with bias and norm around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = BiasedConv(channels), BiasedConv(channels)
        self.norm1, self.norm2 = (VoxelNorm(channels, eps=NORM_EPSILON, momentum=NORM_MOMENTUM) for _ in range(2))

    def forward(self, x: Tensor, table: NeighbourTable, form: str) -> Tensor:
        """x: (V_l, C). Returns (V_l, C)."""
        y = torch.relu(self.norm1(self.conv1(x, table, form)))
        return torch.relu(x + self.norm2(self.conv2(y, table, form)))


class BiasedConv(nn.Module):
    """Submanifold convolution that keeps its width, with a bias that the norm behind it undoes: published files have it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = _fan_out_weight(27, channels, channels), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, table: NeighbourTable, form: str) -> Tensor:
        """x: (V_l, C). Returns (V_l, C)."""
        return _convolved(x, self.weight, table, form) + self.bias


def _convolved(x: Tensor, weight: Tensor, table: NeighbourTable, form: str) -> Tensor:
    # The compiled blocks take a table without `up` for its own inverse, which only a submanifold one is.
    usable = form in ("gather", "triton") or (table.centre is not None and form != "torchsparse")
    return sparse_conv(x, weight, table, form if usable else "offset")


def _fan_out_weight(kernel_volume: int, in_channels: int, out_channels: int) -> nn.Parameter:
    """He et al. 2015, by the fan-out."""
    deviation = (2.0 / (kernel_volume * out_channels)) ** 0.5
    return nn.Parameter(torch.empty(kernel_volume, in_channels, out_channels).normal_(0.0, deviation))
