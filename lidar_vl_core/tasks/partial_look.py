"""Selects a part of a cloud's points for the network; the others get the answer of a neighbour."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import thinned
from lidar_vl_core.voxels.grid import Voxels
from lidar_vl_core.voxels.kernel_maps import coarser_cells

_LEVELS = 4  # cells of 2, 4, 8 and 16 voxels along each axis are searched for a neighbour, one after the other


@dataclass(frozen=True, eq=False)
class PartialLook:
    """The points given to the network."""

    cloud: PointCloud  # P of the points
    voxels: Voxels  # theirs alone, M
    point_to_row: np.ndarray  # (N,) int32 of every point of the whole cloud, whose voxel's answer it gets, -1 = none


def partial_look(cloud: PointCloud, voxels: Voxels, share: float) -> PartialLook:
    """A share of the points, spread evenly over their order; all points where none of the share has a voxel.

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
    given = np.flatnonzero(row_of_voxel >= 0)[::-1]  # of several writes to a cell the last one stays: its first voxel
    rows = row_of_voxel[given]
    for cell in coarser_cells(coords, _LEVELS):
        row_of_cell = np.full(cell.max() + 1, -1, np.int32)
        row_of_cell[cell[given]] = rows
        open_voxels = np.flatnonzero(row_of_voxel < 0)
        row_of_voxel[open_voxels] = row_of_cell[cell[open_voxels]]
