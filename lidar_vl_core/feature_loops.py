"""Compiled loops of voxel_features(): sums over the points of each voxel, and the features out of them."""

import math

import numpy as np
from numba import njit

from lidar_vl_core.voxel_loops import on_axes

# Features of about 1: a van is 2.5 m high, half of the returns lie within 50 m.
_HEIGHT_UNIT_M = 3.0
_RANGE_UNIT_M = 50.0
SUMS = 6  # columns of add_points(): points, intensity, horizontal range, and the three grid coordinates


@njit(cache=True, nogil=True)
def add_points(
    xyz_m: np.ndarray,
    intensity: np.ndarray,
    point_to_voxel: np.ndarray,
    range_min: np.ndarray,
    range_max: np.ndarray,
    cylindrical: bool,
    full_turn: bool,
    first: int,
    last: int,
    sums: np.ndarray,
) -> None:
    """Add the points of the voxels first..last - 1 to sums (M, SUMS) float64, in point order, so that the bits are the
    same however the voxels are shared out between threads.
    """
    for i in range(len(xyz_m)):
        voxel = point_to_voxel[i]
        if voxel < first or voxel >= last:
            continue
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        a, b, c = on_axes(x, y, z, range_min, range_max, cylindrical, full_turn)
        sums[voxel, 0] += 1.0
        sums[voxel, 1] += intensity[i] if math.isfinite(intensity[i]) else 0.0
        sums[voxel, 2] += a if cylindrical else math.sqrt(x * x + y * y)
        sums[voxel, 3] += a
        sums[voxel, 4] += b
        sums[voxel, 5] += c


@njit(cache=True, nogil=True)
def write_features(
    sums: np.ndarray,
    coords: np.ndarray,
    range_min: np.ndarray,
    voxel_size: np.ndarray,
    ground_m: float,
    wanted: np.ndarray,
    features: np.ndarray,
) -> None:
    """Fill features (M, F) float32; wanted: (F,) positions in FEATURE_NAMES."""
    for voxel in range(len(sums)):
        points = max(sums[voxel, 0], 1.0)
        for column in range(len(wanted)):
            name = wanted[column]
            value = 1.0
            if name == 1:
                value = sums[voxel, 1] / points
            elif name == 2:
                value = (sums[voxel, 5] / points - ground_m) / _HEIGHT_UNIT_M
            elif name == 3:
                value = sums[voxel, 2] / points / _RANGE_UNIT_M
            elif 4 <= name < 7:
                axis = name - 4
                mean = sums[voxel, 3 + axis] / points
                value = (mean - range_min[axis]) / voxel_size[axis] - (coords[voxel, axis] + 0.5)
            elif name == 7:
                value = math.log1p(points)
            features[voxel, column] = value


@njit(cache=True, nogil=True)
def heights_in_ring(xyz_m: np.ndarray, nearest_m: float, farthest_m: float) -> np.ndarray:
    """(K,) float32 finite z of the points whose horizontal range is nearest_m..farthest_m."""
    z_m = np.empty(len(xyz_m), np.float32)
    found = 0
    for i in range(len(xyz_m)):
        x, y = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1])  # 1e38 squared is finite here
        range_squared = x * x + y * y
        in_ring = (range_squared >= nearest_m * nearest_m) & (range_squared <= farthest_m * farthest_m)
        z_m[found] = xyz_m[i, 2]
        found += 1 if in_ring and math.isfinite(xyz_m[i, 2]) else 0
    return z_m[:found]
