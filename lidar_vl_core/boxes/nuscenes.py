"""Boxes of nuScenes' tables and submissions: centre, size as width, length, height, and a quaternion w, x, y, z.

The box's own x axis is its heading (Caesar et al., CVPR 2020; the devkit's Box). Tables and submissions are in the global
frame, whose z points up as in every LiDAR's frame.
"""

from typing import NamedTuple

import numpy as np

from lidar_vl_core.boxes.boxes3d import numbers_of_boxes, require_boxes
from lidar_vl_core.boxes.transform import require_upright, yaw_of
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_NORM_TOLERANCE = 1e-2  # that of RigidTransform.from_quaternion()


class NuscenesBoxes(NamedTuple):
    """Columns `translation`, `size` and `rotation` of sample_annotation."""

    center_m: np.ndarray  # (N, 3) float64, of the box's middle
    size_wlh_m: np.ndarray  # (N, 3) float64 width, length, height
    rotation_wxyz: np.ndarray  # (N, 4) float64 unit quaternions


def boxes_of_nuscenes(boxes: NuscenesBoxes, T_target_global: RigidTransform) -> np.ndarray:
    """(N, 7) float64 boxes in a target frame whose z points up, yaw in -pi..pi from above; the identity keeps the global frame.

    Raises BadBoxes for arrays that cannot be or a quaternion whose length is not 1, BadTransform where a box leans more
    than 30 degrees in the target frame.
    """
    count = len(boxes.center_m)
    center_m = numbers_of_boxes("center_m", boxes.center_m, (count, 3))
    size_wlh_m = numbers_of_boxes("size_wlh_m", boxes.size_wlh_m, (count, 3))
    quaternion = numbers_of_boxes("rotation_wxyz", boxes.rotation_wxyz, (count, 4))
    norm = np.linalg.norm(quaternion, axis=1)
    if (wrong := np.abs(norm - 1.0) > _NORM_TOLERANCE).any():
        row = int(np.argmax(wrong))
        raise BadBoxes(
            f"rotation_wxyz: expected quaternions of length 1, found {quaternion[row].tolist()} in row {row}. "
            "Fix the program that wrote it; it is not read as a rotation."
        )
    w, x, y, z = (quaternion / norm[:, None]).T
    heading = np.column_stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])
    up = np.column_stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    rotation = T_target_global.rotation
    up_in_target = up @ rotation.T
    if count:
        require_upright(up_in_target[np.argmin(up_in_target[:, 2])])
    yaw_rad = yaw_of(heading @ rotation.T)
    return require_boxes(np.column_stack([T_target_global.apply(center_m), size_wlh_m[:, [1, 0, 2]], yaw_rad]))


def nuscenes_of_boxes(boxes: np.ndarray, T_global_source: RigidTransform) -> NuscenesBoxes:
    """Boxes (N, 7) of a source frame as nuScenes writes them, leaning as the source frame does: nothing is lost.

    Raises BadBoxes for boxes that cannot be, BadTransform where the z axes are more than 30 degrees apart.
    """
    require_upright(T_global_source.rotation[2])
    wide = require_boxes(boxes)
    x, y, z, w = T_global_source.quaternion()
    cos, sin = np.cos(0.5 * wide[:, 6]), np.sin(0.5 * wide[:, 6])
    # The source's rotation times the turn about z by yaw, (cos, 0, 0, sin).
    rotation_wxyz = np.column_stack([w * cos - z * sin, x * cos + y * sin, y * cos - x * sin, z * cos + w * sin])
    return NuscenesBoxes(T_global_source.apply(wide[:, :3]), wide[:, [4, 3, 5]], rotation_wxyz)
