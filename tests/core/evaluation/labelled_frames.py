"""Frames of random points with chosen answers and truth."""

import numpy as np

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.evaluation.evaluation import LabelledFrame

NUSCENES_16 = class_table("nuscenes16")


def frame(
    index: int, truth: np.ndarray | None, prediction: np.ndarray, views=(), total_ms: float = 10.0
) -> LabelledFrame:
    xyz_m = np.random.default_rng(index).uniform(-30, 30, (len(prediction), 3)).astype(np.float32)
    cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 1_000_000_000 + index, "lidar")
    timing_ms = {"voxels": 1.0, "network": 8.0, "total": total_ms}
    return LabelledFrame(index, cloud, prediction.astype(np.uint8), truth, views, timing_ms)


def with_right(share: float, index: int, points: int = 100) -> LabelledFrame:
    truth = np.full(points, 3, np.uint8)
    prediction = np.where(np.arange(points) < share * points, 3, 4)
    return frame(index, truth, prediction)
