"""Input features of a voxel: means over its points, computed once here for training and robot."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.errors import BadConfig, BadPointCloud
from lidar_vl_core.voxels import VoxelGrid, Voxels, grid_axes

FEATURE_NAMES = ("one", "intensity", "height", "range", "offset_x", "offset_y", "offset_z", "log_points")
_HEIGHT_UNIT_M = 3.0  # features of about 1: a van is 2.5 m high
_RANGE_UNIT_M = 50.0
_GROUND_RING_M = (3.0, 30.0)  # beyond the own car's body, within the reach of dense ground returns
_GROUND_QUANTILE = 0.05


def voxel_features(
    cloud_xyz_m: np.ndarray, intensity: np.ndarray, voxels: Voxels, grid: VoxelGrid, names: Sequence[str]
) -> np.ndarray:
    """(M, len(names)) float32 features, each the mean over the voxel's points.

    one: 1. intensity: 0..1. height: z above ground_height_m, in 3 m. range: horizontal, in 50 m. offset_x, offset_y,
    offset_z: mean point minus voxel centre along the grid's axes, in voxel sizes. log_points: log(1 + points).
    cloud_xyz_m: (N, 3); intensity: (N,), what is not finite counts as 0. Raises BadConfig for an unknown name.
    """
    from lidar_vl_core.voxel_loops import point_sums

    unknown = [name for name in names if name not in FEATURE_NAMES]
    if unknown or not names:
        raise BadConfig(f"features: expected names of {', '.join(FEATURE_NAMES)}, found {unknown}. Correct the list.")
    count = len(cloud_xyz_m)
    if len(intensity) != count or len(voxels.point_to_voxel) != count:
        raise BadPointCloud(
            f"features: expected {count} intensities and voxel numbers, one per point, found {len(intensity)} and "
            f"{len(voxels.point_to_voxel)}. Give the cloud that was voxelised."
        )
    sums = point_sums(
        np.ascontiguousarray(cloud_xyz_m, dtype=np.float32),
        np.ascontiguousarray(intensity, dtype=np.float32),
        voxels.point_to_voxel,
        len(voxels.coords),
        *grid_axes(grid),
    )  # (M, 7): points, intensity, horizontal range, z, and the sums along the grid's axes
    ground_m = ground_height_m(cloud_xyz_m) if "height" in names else 0.0
    points = np.maximum(sums[:, 0], 1.0)
    columns = [_column(name, sums, points, voxels.coords, grid, ground_m) for name in names]
    return np.stack(columns, axis=1).astype(np.float32)


def ground_height_m(xyz_m: np.ndarray) -> float:
    """Height of the ground in the sensor frame: 5th percentile of z within 3..30 m; 0.0 where nothing is there.

    xyz_m: (N, 3) metres; points that are not finite do not count.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # 1e38 squared is Inf, and Inf is out of the ring
        range_squared = xyz_m[:, 0] * xyz_m[:, 0] + xyz_m[:, 1] * xyz_m[:, 1]
        near = (range_squared >= _GROUND_RING_M[0] ** 2) & (range_squared <= _GROUND_RING_M[1] ** 2)
    z_m = xyz_m[near, 2]
    z_m = z_m[np.isfinite(z_m)]
    if len(z_m) == 0:
        return 0.0
    rank = int(_GROUND_QUANTILE * (len(z_m) - 1))
    return float(np.partition(z_m, rank)[rank])


def _column(
    name: str, sums: np.ndarray, points: np.ndarray, coords: np.ndarray, grid: VoxelGrid, ground_m: float
) -> np.ndarray:
    """(M,) one feature out of the per-voxel sums of point_sums()."""
    if name == "one":
        return np.ones(len(sums))
    if name == "intensity":
        return sums[:, 1] / points
    if name == "range":
        return sums[:, 2] / points / _RANGE_UNIT_M
    if name == "height":
        return (sums[:, 3] / points - ground_m) / _HEIGHT_UNIT_M
    if name == "log_points":
        return np.log1p(points)
    axis = "xyz".index(name[-1])
    return (sums[:, 4 + axis] / points - grid.range_min[axis]) / grid.voxel_size[axis] - (coords[:, axis] + 0.5)
