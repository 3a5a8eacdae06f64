"""Rooms of a few points with classes."""

import numpy as np

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from offline_training.datasets.base.sample import Sample

ROOMS = class_table("synthetic_rooms")


def room(truth: np.ndarray, name: str = "room", colored: bool = True) -> Sample:
    rng = np.random.default_rng(0)
    xyz_m = rng.uniform(-2, 2, (len(truth), 3)).astype(np.float32)
    extra = {"rgb": rng.integers(0, 255, (len(truth), 3), dtype=np.uint8)} if colored else {}
    cloud = PointCloud(xyz_m, np.zeros(len(truth), np.float32), 0, "room", extra)
    return Sample(name, cloud, truth.astype(np.uint8), ROOMS)
