"""VoxelNet for detection: the sparse 3D encoder of SECOND (Yan et al., 2018) as OpenPCDet builds it, read at the points.

Its map seen from above has one cell per 8 x 8 voxels; points interpolate between cells. To pre-train as SLidR and OLIVINE
do (heads on active cells, unit length there, interpolation after, so that points' vectors are shorter than 1):

    values = F.normalize(head(network.active_features(inputs)), dim=1)
    point_values = network.to_points(values, inputs)

which differs from a head on the interpolated `point_features`, the un-normalised features that fine-tuning reads.
"""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.convolution import sparse_conv
from offline_training.networks.sparse.maps import NeighbourTable
from offline_training.networks.voxelnet.inputs import STRIDED, VoxelNetInputs

IN_CHANNELS = 4  # mean x, y, z and intensity
WIDTHS = (16, 32, 64, 64)  # channels of the four levels
MAP_CHANNELS = 128
_NORM_EPSILON, _NORM_MOMENTUM = 1e-3, 0.01


class VoxelNet(PointBackbone):
    """Mean points of voxels to features of points."""

    def __init__(self, out_channels: int | None) -> None:
        """out_channels: scores of the head; None = no head."""
        super().__init__()
        self.input = TableUnit(IN_CHANNELS, WIDTHS[0], 27)
        self.levels = nn.ModuleList([nn.ModuleList([TableUnit(WIDTHS[0], WIDTHS[0], 27)])])
        for fine, coarse in pairwise(WIDTHS):
            units = [TableUnit(fine, coarse, 27), TableUnit(coarse, coarse, 27), TableUnit(coarse, coarse, 27)]
            self.levels.append(nn.ModuleList(units))
        self.output = TableUnit(WIDTHS[-1], MAP_CHANNELS, 3)
        self.feature_channels = MAP_CHANNELS
        self.head = None if out_channels is None else nn.Linear(MAP_CHANNELS, out_channels)

    def active_features(self, inputs: BackboneInputs) -> Tensor:
        """Features (A, 128) of the active cells of the map, its one cell of height folded away."""
        inputs = _checked(inputs)
        tables = inputs.tables
        x = self.input(inputs.features, tables.subm[0], tables.form)
        for level, units in enumerate(self.levels):
            for position, unit in enumerate(cast(nn.ModuleList, units)):
                strided = level > 0 and position == 0
                x = unit(x, tables.strided[level - 1] if strided else tables.subm[level], tables.form)
        return self.output(x, tables.strided[len(STRIDED) - 1], tables.form)

    def to_points(self, values: Tensor, inputs: BackboneInputs) -> Tensor:
        """Values (A, C) of active cells, interpolated bilinearly at the points, empty cells being 0: (R, C)."""
        inputs = _checked(inputs)
        padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
        result = values.new_zeros(inputs.row_count, values.shape[1])
        for cell, weight in zip(inputs.corner_cell.unbind(1), inputs.corner_weight.unbind(1), strict=True):
            result = result + padded.index_select(0, cell) * weight.to(values.dtype)[:, None]
        return result

    def point_features(self, inputs: BackboneInputs) -> Tensor:
        """Interpolated features of the points: (R, 128). Raises TypeError for the inputs of another kind of network."""
        return self.to_points(self.active_features(inputs), inputs)


class TableUnit(nn.Module):
    """Convolution over a table, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_volume: int) -> None:
        super().__init__()
        deviation = (2.0 / (kernel_volume * out_channels)) ** 0.5  # He et al. 2015, by the fan-out
        self.weight = nn.Parameter(torch.empty(kernel_volume, in_channels, out_channels).normal_(0.0, deviation))
        self.norm = VoxelNorm(out_channels, eps=_NORM_EPSILON, momentum=_NORM_MOMENTUM)

    def forward(self, x: Tensor, table: NeighbourTable, form: str) -> Tensor:
        """x: (rows in, C_in). Returns (rows of the table, C_out)."""
        # The compiled blocks take a table without `up` for its own inverse, which only a submanifold one is.
        usable = form == "gather" or (table.centre is not None and form != "torchsparse")
        return torch.relu(self.norm(sparse_conv(x, self.weight, table, form if usable else "offset")))


def _checked(inputs: BackboneInputs) -> VoxelNetInputs:
    if not isinstance(inputs, VoxelNetInputs):
        raise TypeError(f"expected VoxelNetInputs, found {type(inputs).__name__}")
    return inputs
