"""Boxes of KITTI's label files: in the rectified frame of camera 0, x right, y down, z forward.

A row is h, w, l, x, y, z, rotation_y, as in columns 9 to 15 of a line: x, y, z of the middle of the bottom face, metres;
rotation_y in radians about y, 0 where the length lies along x (Geiger et al., CVPR 2012; readme of the object devkit).
T_cam_lidar leads into that frame: R0_rect @ Tr_velo_to_cam.
"""

import numpy as np

from lidar_vl_core.boxes.boxes3d import numbers_of_boxes, require_boxes
from lidar_vl_core.boxes.transform import heading_of, require_upright, yaw_of
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_UP_CAM = np.array([0.0, -1.0, 0.0])


def boxes_of_kitti(labels: np.ndarray, T_cam_lidar: RigidTransform) -> np.ndarray:
    """(N, 7) float64 boxes in the LiDAR's frame of rows (N, 7) of KITTI, yaw in -pi..pi from above.

    Raises BadBoxes for rows that cannot be, those of DontCare among them, and BadTransform for a frame that does not
    stand as a camera's does.
    """
    _require_camera(T_cam_lidar)
    rows = _rows_of_labels(labels)
    T_lidar_cam = T_cam_lidar.inverse()
    height_m, width_m, length_m, rotation_y = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 6]
    center_m = T_lidar_cam.apply(rows[:, 3:6] + 0.5 * height_m[:, None] * _UP_CAM)
    heading_cam = np.column_stack([np.cos(rotation_y), np.zeros(len(rows)), -np.sin(rotation_y)])
    yaw_rad = yaw_of(heading_cam @ T_lidar_cam.rotation.T)
    return require_boxes(np.column_stack([center_m, length_m, width_m, height_m, yaw_rad]))


def kitti_of_boxes(boxes: np.ndarray, T_cam_lidar: RigidTransform) -> np.ndarray:
    """(N, 7) float64 rows of KITTI of boxes (N, 7) in the LiDAR's frame, rotation_y in -pi..pi.

    Undoes boxes_of_kitti() but for a quarter of the square of the angle (radians) by which the camera's y leans from the
    LiDAR's -z: boxes stand upright in both. Raises BadBoxes and BadTransform as that does.
    """
    _require_camera(T_cam_lidar)
    wide = require_boxes(boxes)
    bottom_cam_m = T_cam_lidar.apply(wide[:, :3]) - 0.5 * wide[:, 5:6] * _UP_CAM
    heading_cam = heading_of(wide[:, 6]) @ T_cam_lidar.rotation.T
    rotation_y = np.arctan2(-heading_cam[:, 2], heading_cam[:, 0])
    return np.column_stack([wide[:, [5, 4, 3]], bottom_cam_m, rotation_y])


def observation_angle(labels: np.ndarray) -> np.ndarray:
    """(N,) alpha in -pi..pi of rows (N, 7) of KITTI: the heading as seen along the ray from the camera to the box.

    Raises BadBoxes for other shapes.
    """
    rows = _rows_of_labels(labels)
    alpha_rad = rows[:, 6] - np.arctan2(rows[:, 3], rows[:, 5])
    return np.arctan2(np.sin(alpha_rad), np.cos(alpha_rad))


def _rows_of_labels(labels: np.ndarray) -> np.ndarray:
    rows = numbers_of_boxes("labels", labels, (len(labels), 7))
    if (rows[:, :3] < 0).any():
        row = int(np.argmax((rows[:, :3] < 0).any(axis=1)))
        raise BadBoxes(
            f"labels: expected h, w, l >= 0, found {rows[row].tolist()} in row {row}. Leave out the DontCare lines."
        )
    return rows


def _require_camera(T_cam_lidar: RigidTransform) -> None:
    require_upright(-T_cam_lidar.rotation[1])
