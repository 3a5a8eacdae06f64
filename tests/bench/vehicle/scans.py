"""Scans of a made-up street that fill a given number of voxels; kept under out/cache, as the largest takes half a minute."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.files import atomic_writer
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from tests.bench.core.scan import synthetic_scan

VOXELS = (10_000, 30_000, 60_000, 100_000, 200_000, 300_000)
QUICK_VOXELS = (1_000, 3_000, 10_000)
_RANGE_M = (-60.0, -60.0, -5.0, 60.0, 60.0, 11.0)
_RAYS_PER_VOXEL = 2.2
_CACHE = Path("out/cache/bench")


@dataclass(frozen=True, eq=False)
class SizedScan:
    """A cloud and the grid in which it fills about so many voxels as were asked for."""

    cloud: PointCloud
    grid: VoxelGrid
    voxels: int


def sized_scan(voxels: int, cache: Path = _CACHE) -> SizedScan:
    """A scan of about twice as many points as voxels; the size of a voxel is sought until their number is right by 1 %."""
    xyz_m = _points(voxels, cache)
    small_m, large_m = 0.005, 2.0
    while True:
        size_m = float(np.sqrt(small_m * large_m))
        grid = VoxelGrid("cartesian", (size_m,) * 3, _RANGE_M)
        found = len(voxelise(xyz_m, grid).coords)
        if abs(found - voxels) < 0.01 * voxels or large_m / small_m < 1.001:
            break
        small_m, large_m = (small_m, size_m) if found < voxels else (size_m, large_m)
    intensity = np.random.default_rng(1).random(len(xyz_m), np.float32)
    return SizedScan(PointCloud(xyz_m, intensity, 0, "lidar"), grid, found)


def _points(voxels: int, cache: Path) -> np.ndarray:
    beams = 64 if voxels <= 60_000 else 128
    columns = round(_RAYS_PER_VOXEL * voxels / beams)
    path = cache / f"scan_{beams}_{columns}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        xyz_m = synthetic_scan(np.random.default_rng(3), beams, columns)
        with atomic_writer(path) as file:
            np.save(file, xyz_m)
    return np.load(path)
