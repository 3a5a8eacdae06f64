"""The mean point of each voxel, as OpenPCDet's voxels fill: in the order of the points, up to a number of points and voxels."""

import numpy as np

from lidar_vl_core.voxels.grid import VoxelGrid, voxelise


def mean_points(
    xyz_m: np.ndarray, values: np.ndarray, grid: VoxelGrid, most_points: int, most_voxels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the first points of each voxel; voxels without a place among the first ones of a scan are left out.

    xyz_m: (N, 3) float32; values: (N, C) what is averaged beside it; most_points: of a voxel; most_voxels: of a scan.
    Returns (V, 3) int64 voxels, sorted; (V, 3 + C) float32 means of x, y, z in metres and of the values; and (N,) bool:
    the point lies in the grid.
    """
    voxels = voxelise(xyz_m, grid)
    inside = voxels.point_to_voxel >= 0
    by_voxel = np.argsort(voxels.point_to_voxel, kind="stable")[np.count_nonzero(~inside) :]
    voxel = voxels.point_to_voxel[by_voxel]
    first = np.searchsorted(voxel, np.arange(len(voxels.coords)))
    kept = np.zeros(len(voxels.coords), bool)
    kept[np.argsort(by_voxel[first])[:most_voxels]] = True
    used = (np.arange(len(voxel)) - first[voxel] < most_points) & kept[voxel]
    columns = np.column_stack([xyz_m, np.nan_to_num(values, posinf=0.0, neginf=0.0)])[by_voxel[used]].astype(np.float64)
    voxel = (np.cumsum(kept) - 1)[voxel[used]]
    count = np.bincount(voxel, minlength=np.count_nonzero(kept))
    sums = [np.bincount(voxel, column, len(count)) for column in columns.T]
    return (
        voxels.coords[kept].astype(np.int64),
        (np.stack(sums, axis=1) / count[:, None]).astype(np.float32),
        inside,
    )
