"""Scans with boxes for detectors: a floor, and points on the faces of the boxes."""

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.detection.bev_backbone import BevShape
from offline_training.networks.detection.inputs import DetectorPreparer

GRID = VoxelGrid(
    "cartesian", (0.1, 0.1, 0.2), (0.0, -6.4, -3.0, 12.8, 6.4, 5.0)
)  # 128 x 128 x 40 voxels: map 2 x 16 x 16
PREPARER = DetectorPreparer(GRID, most_points=5, most_voxels=16_000)
SMALL_BEV = BevShape((1, 1), (1, 2), (32, 48), (1, 2), (24, 32))

TRUTH = (
    Boxes3d.of(
        np.array([[4.2, 2.3, -1.0, 3.9, 1.6, 1.5, 0.4], [9.1, -3.2, -0.9, 0.8, 0.6, 1.7, -1.2]]),
        np.array([0, 1]),
        velocity_mps=np.array([[3.0, 1.0], [0.0, -0.5]]),
    ),
    Boxes3d.of(
        np.array([[7.3, -1.4, -1.0, 4.2, 1.7, 1.6, -2.8], [3.4, 3.9, -0.9, 1.7, 0.6, 1.7, 1.9]]),
        np.array([0, 2]),
        velocity_mps=np.array([[np.nan, np.nan], [-2.0, 4.0]]),
    ),
)


def made_scan(seed: int, truth: Boxes3d, per_box: int = 80, floor: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """xyz_m (N, 3) float32 and intensity (N,) float32."""
    rng = np.random.default_rng(seed)
    parts = [np.column_stack([rng.uniform(0, 12.8, floor), rng.uniform(-6.4, 6.4, floor), np.full(floor, -1.75)])]
    for x, y, z, *size_m, yaw_rad in truth.boxes:
        unit = rng.uniform(-0.5, 0.5, (per_box, 3))
        rows, axis = np.arange(per_box), rng.integers(0, 3, per_box)
        unit[rows, axis] = np.copysign(0.5, unit[rows, axis])
        along, across, up = (unit * size_m).T
        cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
        parts.append(np.column_stack([along * cos - across * sin + x, along * sin + across * cos + y, up + z]))
    xyz_m = np.concatenate(parts).astype(np.float32)
    return xyz_m, rng.uniform(0, 1, len(xyz_m)).astype(np.float32)


SCANS = tuple(made_scan(seed, truth) for seed, truth in enumerate(TRUTH))
