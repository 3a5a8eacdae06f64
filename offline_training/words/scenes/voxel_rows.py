"""Assigns points to voxels, for scenes of any extent."""

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud

_CELLS = 1 << 20  # on each side of the origin: three axes share one 63-bit key; at 0.02 m that is 21 km


def voxel_rows(xyz_m: np.ndarray, voxel_m: float | None) -> tuple[np.ndarray, int]:
    """(N,) int64 row of each point and the number of rows: one row per occupied voxel, in the order of x, y, z.

    xyz_m: (N, 3). Voxel borders are multiples of voxel_m; with None every finite point has its own row. Non-finite
    points get -1. Raises BadPointCloud for points too far away to be counted in voxels.
    """
    finite = np.isfinite(xyz_m).all(axis=1)
    rows = np.full(len(xyz_m), -1, np.int64)
    if voxel_m is None:
        count = int(finite.sum())
        rows[finite] = np.arange(count)
        return rows, count
    cell = np.floor(xyz_m[finite].astype(np.float64) / voxel_m)
    if len(cell) and np.abs(cell).max() >= _CELLS:
        raise BadPointCloud(
            f"cloud: expected points within {_CELLS * voxel_m:g} m of the origin for voxels of {voxel_m} m, found one at "
            f"{np.abs(xyz_m[finite]).max():g} m. Use a larger voxel_m, or remove stray points."
        )
    x, y, z = cell.astype(np.int64).T + _CELLS
    unique, index = np.unique((x << 42) | (y << 21) | z, return_inverse=True)
    rows[finite] = index
    return rows, len(unique)
