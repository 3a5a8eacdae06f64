"""The clouds that are measured: a synthetic street, voxelised so finely that it has about as many voxels as asked for."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from tests.bench.core.scan import synthetic_scan

_RANGE_M = (-80.0, -80.0, -4.0, 80.0, 80.0, 12.0)
_TRIES = 12
_POINTS_PER_VOXEL = 2.2
_RETURNS = 0.8  # of the rays


@dataclass(frozen=True)
class MeasuredCloud:
    """Points, and the grid that gives the voxels."""

    xyz_m: np.ndarray  # (N, 3) float32
    intensity: np.ndarray  # (N,) float32
    grid: VoxelGrid
    voxels: int


@lru_cache(maxsize=16)
def cloud_of_voxels(count: int) -> MeasuredCloud:
    """A scan of about twice as many points, as at 5 cm; the edge of the voxels is found by bisection, to 2 % of the count."""
    beams = 32 if count < 20_000 else 64 if count < 80_000 else 128
    columns = max(64, round(_POINTS_PER_VOXEL * count / (beams * _RETURNS)))
    return _voxelised(_scan(beams, columns), count)


@lru_cache(maxsize=4)
def cloud_of_points(points: int, voxel_size_m: float = 0.1) -> MeasuredCloud:
    """A scan of exactly so many points, in voxels of the demo's kind."""
    xyz_m = _scan(128, 4000)
    if len(xyz_m) < points:
        raise ValueError(f"points: expected at most {len(xyz_m)}, found {points}. Ask for fewer.")
    xyz_m = xyz_m[np.sort(np.random.default_rng(1).choice(len(xyz_m), points, replace=False))]
    grid = VoxelGrid("cartesian", (voxel_size_m,) * 3, _RANGE_M)
    return MeasuredCloud(xyz_m, _intensity(points), grid, len(voxelise(xyz_m, grid).coords))


def _voxelised(xyz_m: np.ndarray, count: int) -> MeasuredCloud:
    fine_m, coarse_m = 0.01, 2.0
    for _ in range(_TRIES):
        size_m = float(np.sqrt(fine_m * coarse_m))
        grid = VoxelGrid("cartesian", (size_m,) * 3, _RANGE_M)
        found = len(voxelise(xyz_m, grid).coords)
        if abs(found - count) <= 0.02 * count:
            break
        if found > count:
            fine_m = size_m
        else:
            coarse_m = size_m
    return MeasuredCloud(xyz_m, _intensity(len(xyz_m)), grid, found)


@lru_cache(maxsize=4)
def _scan(beams: int, columns: int) -> np.ndarray:
    return synthetic_scan(np.random.default_rng(3), beams, columns)


def _intensity(points: int) -> np.ndarray:
    return np.random.default_rng(2).random(points).astype(np.float32)
