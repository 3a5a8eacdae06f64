"""The convolutions of VoxelNet as tables: who feeds whom on each level, from its voxels down to the cells of its map."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.networks.sparse.maps import NeighbourTable
from offline_training.networks.voxelnet.strided_conv_tables import StridedConv, Triple, strided_conv_table

# Kernel, stride and padding along x, y, z, of the convolutions that leave each of the four levels.
STRIDED = (
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 0)),
    StridedConv((1, 1, 3), (1, 1, 2), (0, 0, 0)),
)
MAP_STRIDE = 8  # voxels per cell of the map, along x and y
_SUBMANIFOLD_CENTRE = 13  # offset (0, 0, 0) of the 27


@dataclass(frozen=True)
class ConvTables:
    """Who feeds whom in each convolution of VoxelNet, and the form in which to compute it."""

    subm: tuple[NeighbourTable, ...]  # level l: (V_l, 27)
    strided: tuple[
        NeighbourTable, ...
    ]  # level l: (V_{l+1}, K) rows of level l; after the last level come the map's cells
    form: str = "auto"  # of the submanifold convolutions: one of maps.FORMS

    def to(self, device: torch.device | str) -> "ConvTables":
        """The tables on another device."""
        return replace(
            self,
            subm=tuple(table.to(device) for table in self.subm),
            strided=tuple(table.to(device) for table in self.strided),
        )


def conv_tables(sites: np.ndarray, shape: Triple, form: str) -> tuple[ConvTables, list[np.ndarray]]:
    """Tables of all levels from the voxels of a batch, and the active cells of each level, of the map last.

    sites: (V, 4) int64 scan, x, y, z, sorted, within shape. Cells (V_l, 4) come in the same form, the voxels first.
    """
    subm, strided, cells = [], [], [sites]
    for conv in STRIDED:
        neighbours = build_kernel_maps(sites[:, 1:].astype(np.int32), 1, sites[:, 0].astype(np.int32)).subm[0]
        subm.append(NeighbourTable(torch.from_numpy(neighbours.astype(np.int64)), len(sites), _SUBMANIFOLD_CENTRE))
        sites_after, index = strided_conv_table(sites, shape, conv)
        strided.append(NeighbourTable(torch.from_numpy(index), len(sites)))
        sites, shape = sites_after, conv.shape_after(shape)
        cells.append(sites)
    return ConvTables(tuple(subm), tuple(strided), form), cells


def map_shape(shape: Triple) -> Triple:
    """Cells of the map along x, y, z over a grid of that many voxels."""
    for conv in STRIDED:
        shape = conv.shape_after(shape)
    return shape
