"""Clouds of a dozen clusters each, in which a detector finds boxes."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud

START_NS = 1_700_000_000_000_000_000


def clouds() -> list[PointCloud]:
    made = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        middle = rng.uniform((1, -6, -1), (12, 6, 1), (12, 3))
        xyz_m = (middle[rng.integers(0, 12, 900)] + rng.normal(0, 0.3, (900, 3))).astype(np.float32)
        xyz_m[0] = np.nan
        made.append(PointCloud(xyz_m, rng.uniform(0, 1, 900).astype(np.float32), START_NS + seed * 10**8, "lidar"))
    return made
