"""What VoxelNet for points reads of a cloud: mean points within a circle, and the four cells of the map around each point."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE, EncoderTables, encoder_tables, map_shape
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.mean_points import mean_points

MOST_POINTS, MOST_VOXELS = 10, 60_000  # of a voxel, of a scan


@dataclass(frozen=True)
class PointArrays:
    """One scan; rows (R) are its points within the range."""

    features: np.ndarray  # (V, 4) float32 mean x, y, z in metres and of the value of each voxel
    tables: EncoderTables
    corner_cell: np.ndarray  # (R, 4) int32 active cell at the four corners around each row; as many as cells = empty
    corner_weight: np.ndarray  # (R, 4) float32 bilinear weights
    row_of_point: np.ndarray  # (N,) int32, -1 = none


def point_arrays(xyz_m: np.ndarray, values: np.ndarray, grid: VoxelGrid, threads: int | None = None) -> PointArrays:
    """Inputs of a scan: points (N, 3) float32 in metres and values (N, 1) beside them, NaN points left out."""
    coords, means, inside = mean_points(only_near(xyz_m, grid), values, grid, MOST_POINTS, MOST_VOXELS)
    tables = encoder_tables(np.insert(coords, 0, 0, axis=1), grid.shape, threads)
    scan = np.zeros(np.count_nonzero(inside), np.int64)
    cell, weight = corners(xyz_m[inside], scan, tables.cells[-1], grid)
    row_of_point = np.where(inside, np.cumsum(inside) - 1, -1).astype(np.int32)
    return PointArrays(means, tables, cell.astype(np.int32), weight, row_of_point)


def require_point_map(grid: VoxelGrid) -> None:
    """Raise BadConfig for a grid in which VoxelNet has no map for points."""
    low, high = grid.range_min, grid.range_max
    if grid.kind != "cartesian" or not -low[0] == -low[1] == high[0] == high[1]:
        raise BadConfig(
            "voxelnet: expected a cartesian grid over a square around the sensor, found grid_kind "
            f"{grid.kind} and point_cloud_range {(*low, *high)}. Write e.g. -51.2, -51.2, -5, 51.2, 51.2, 3."
        )
    if grid.shape[0] % MAP_STRIDE or map_shape(grid.shape)[2] != 1:
        raise BadConfig(
            f"voxelnet: expected a multiple of 8 cells along x and y and 25 to 40 along z, found {grid.shape}. "
            "Write e.g. voxel_size 0.1, 0.1, 0.2 over 102.4 x 102.4 x 8 m."
        )


def only_near(xyz_m: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """The points (N, 3) with NaN for those beyond the circle that the range holds, which OLIVINE also leaves out."""
    near = np.hypot(*xyz_m[:, :2].T.astype(np.float64)) <= grid.range_max[0]
    return np.where(near[:, None], xyz_m, np.float32(np.nan))


def corners(xyz_m: np.ndarray, scan: np.ndarray, cells: np.ndarray, grid: VoxelGrid) -> tuple[np.ndarray, np.ndarray]:
    """The four map cells around each point and their bilinear weights: (R, 4) int64 and (R, 4) float32.

    scan: (R,) of each point; cells: (A, 4) scan, x, y, z of the active cells. A cell's value lies at its lower corner, as
    in OpenPCDet (no half cell of offset); beyond the last cell it stays.
    """
    width, depth, _ = map_shape(grid.shape)
    row_at = np.full((int(scan.max(initial=0)) + 1, width, depth), len(cells), np.int64)
    row_at[cells[:, 0], cells[:, 1], cells[:, 2]] = np.arange(len(cells))
    size_m = MAP_STRIDE * np.array(grid.voxel_size[:2])
    position = (xyz_m[:, :2].astype(np.float64) - grid.range_min[:2]) / size_m
    low = np.minimum(position.astype(np.int64), (width - 1, depth - 1))
    high = np.minimum(low + 1, (width - 1, depth - 1))
    share = position - low
    corner_cell, corner_weight = [], []
    for x, x_share in ((low[:, 0], 1 - share[:, 0]), (high[:, 0], share[:, 0])):
        for y, y_share in ((low[:, 1], 1 - share[:, 1]), (high[:, 1], share[:, 1])):
            corner_cell.append(row_at[scan, x, y])
            corner_weight.append(x_share * y_share)
    return np.stack(corner_cell, axis=1), np.stack(corner_weight, axis=1).astype(np.float32)
