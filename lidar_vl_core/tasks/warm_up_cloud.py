"""What is done before the first message, so that it does not wait for a compiler: a synthetic cloud, and loops beside the network."""

import numpy as np

from lidar_vl_core.boxes.majority import majority_in_boxes
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
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


def compile_loops_beside_the_network() -> None:
    """Points in boxes and points in images: needed first when a box is found, or an image asked for, on the road."""
    point = np.array([[0.0, 0.0, 2.0]], np.float32)
    majority_in_boxes(point, np.zeros(1, np.uint8), np.ones((1, 7)))
    camera = CameraModel(9, 9, np.array([[1.0, 0, 4], [0, 1.0, 4], [0, 0, 1]]))
    point_pixel_pairs(point, [(camera, RigidTransform.identity())], occlusion=ZBuffer())
