"""A synthetic cloud for warming up, so that nothing is compiled or loaded while the first message waits."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.voxels.grid import VoxelGrid

_POINTS = 500


def warm_up_cloud(grid: VoxelGrid) -> PointCloud:
    """Black points along the diagonal of the grid's range, measured at this moment."""
    fraction = np.linspace(0.01, 0.99, _POINTS)[:, None]
    low, high = np.array(grid.range_min), np.array(grid.range_max)
    axes = low + fraction * (high - low)
    if grid.kind == "cylindrical":
        rho, phi, z = axes.T
        axes = np.column_stack([rho * np.cos(phi), rho * np.sin(phi), z])
    zeros = np.zeros(_POINTS, np.float32)
    extra: dict[str, np.ndarray] = {"rgb": np.zeros((_POINTS, 3), np.uint8), TIME_LAG: zeros}
    return PointCloud(axes.astype(np.float32), zeros, 0, "warm_up", extra)
