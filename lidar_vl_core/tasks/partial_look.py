"""A part of a cloud's points for the network to look at, and whose answer the others get: their neighbours'."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import thinned
from lidar_vl_core.voxels.grid import Voxels

_COARSEST = 4  # cells of 2, 4, 8 and 16 voxels along each axis are searched for a neighbour, one after the other
_AXIS_BITS = 20  # as VoxelGrid allows


@dataclass(frozen=True, eq=False)
class PartialLook:
    """What the network looks at."""

    cloud: PointCloud  # P of the points
    voxels: Voxels  # theirs alone, M
    point_to_row: np.ndarray  # (N,) int32 of every point of the whole cloud, whose voxel's answer it gets, -1 = none


def partial_look(cloud: PointCloud, voxels: Voxels, share: float) -> PartialLook:
    """A share of the points, spread evenly over their order; all of them where none of the share has a voxel.

    voxels: of the whole cloud. A point whose voxel is not looked at gets the answer of one that is in the same cell of 2
    voxels along each axis, else of 4, 8 or 16.
    """
    few = thinned(cloud, max(1, round(share * len(cloud))))
    looked_at = np.zeros(len(voxels.coords), bool)
    if few.rows is not None:
        voxel_of_few = voxels.point_to_voxel[few.rows]
        looked_at[voxel_of_few[voxel_of_few >= 0]] = True
    if few.rows is None or not looked_at.any():
        return PartialLook(cloud, voxels, voxels.point_to_voxel)
    row_of_voxel = np.full(len(voxels.coords) + 1, -1, np.int32)  # the last one for points without a voxel
    row_of_voxel[:-1][looked_at] = np.arange(looked_at.sum(), dtype=np.int32)
    few_voxels = Voxels(voxels.coords[looked_at], row_of_voxel[voxel_of_few])
    _give_to_neighbours(row_of_voxel[:-1], voxels.coords)
    return PartialLook(few.cloud, few_voxels, row_of_voxel[voxels.point_to_voxel])


def _give_to_neighbours(row_of_voxel: np.ndarray, coords: np.ndarray) -> None:
    """Write for voxels without a row, -1, that of a voxel in the same cell, the smallest cell first."""
    given = np.flatnonzero(row_of_voxel >= 0)
    for level in range(1, _COARSEST + 1):
        open_voxels = np.flatnonzero(row_of_voxel < 0)
        if not len(open_voxels):
            return
        cells, first = np.unique(_cell_keys(coords[given], level), return_index=True)
        wanted = _cell_keys(coords[open_voxels], level)
        place = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
        found = cells[place] == wanted
        row_of_voxel[open_voxels[found]] = row_of_voxel[given[first[place[found]]]]


def _cell_keys(coords: np.ndarray, level: int) -> np.ndarray:
    """(V,) int64, equal for voxels in one cell of 2^level voxels along each axis."""
    x, y, z = (coords >> level).astype(np.int64).T
    return (x << 2 * _AXIS_BITS) | (y << _AXIS_BITS) | z
