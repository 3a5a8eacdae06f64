"""Clouds of random points with random true classes."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud

CLOUD = "sensor_msgs/msg/PointCloud2"
START_NS = 1_700_000_000_000_000_000


def clouds(count: int, points: int = 400) -> list[PointCloud]:
    rng = np.random.default_rng(3)
    made = []
    for k in range(count):
        xyz_m = rng.uniform((-40, -40, -2), (40, 40, 2), (points, 3)).astype(np.float32)
        xyz_m[0] = np.nan
        xyz_m[1] = 1e9
        made.append(
            PointCloud(xyz_m, rng.uniform(0, 1, points).astype(np.float32), START_NS + k * 100_000_000, "lidar")
        )
    return made


def truths(clouds_: list[PointCloud]) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [rng.choice([*range(16), 255], len(cloud)).astype(np.uint8) for cloud in clouds_]
