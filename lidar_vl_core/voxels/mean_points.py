"""The mean point of each voxel, as OpenPCDet's voxels fill: in the order of the points, up to a number of points and voxels."""

import numpy as np

from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise


def mean_points(
    xyz_m: np.ndarray, values: np.ndarray, grid: VoxelGrid, most_points: int, most_voxels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the first points of each voxel; voxels without a place among the first ones of a scan are left out.

    xyz_m: (N, 3) float32; values: (N, C) what is averaged beside it, not finite = 0; most_points: of a voxel; most_voxels:
    of a scan. Returns (V, 3) int32 voxels, sorted; (V, 3 + C) float32 means of x, y, z in metres and of the values; and
    (N,) bool: the point lies in the grid. Raises BadPointCloud for arrays that do not belong together.
    """
    from lidar_vl_core.voxels.encoder_loops import add_first_points

    if values.ndim != 2 or len(values) != len(xyz_m):
        raise BadPointCloud(
            f"values: expected ({len(xyz_m)}, C), one row for each point, found {values.shape}. Give one row per point."
        )
    voxels = voxelise(xyz_m, grid)
    count = len(voxels.coords)
    sums, points = np.zeros((count, 3 + values.shape[1])), np.zeros(count, np.int64)
    arrays = read_only(xyz_m, np.float32), read_only(values, np.float32), read_only(voxels.point_to_voxel, np.int32)
    add_first_points(*arrays, most_points, most_voxels, sums, points)
    kept = points > 0
    means = (sums[kept] / points[kept, None]).astype(np.float32)
    return voxels.coords[kept], means, voxels.point_to_voxel >= 0
