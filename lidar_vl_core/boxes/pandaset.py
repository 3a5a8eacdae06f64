"""Boxes of PandaSet's cuboid files: in the world frame of a sequence, z up.

position is the box's middle; dimensions are x = width, y = length, z = height; yaw turns counterclockwise from the
world's +y, so that the length lies along y at yaw 0 (readme of pandaset-devkit). Our yaw, from +x, is a quarter turn more.
"""

from typing import NamedTuple

import numpy as np

from lidar_vl_core.boxes.boxes3d import numbers_of_boxes
from lidar_vl_core.boxes.transform import transformed_boxes
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_FROM_Y_TO_X_RAD = 0.5 * np.pi


class PandaSetBoxes(NamedTuple):
    """Columns of a cuboid file."""

    position_m: np.ndarray  # (N, 3) float64 position.x, y, z
    dimensions_m: np.ndarray  # (N, 3) float64 dimensions.x, y, z
    yaw_rad: np.ndarray  # (N,) float64


def boxes_of_pandaset(boxes: PandaSetBoxes, T_lidar_world: RigidTransform) -> np.ndarray:
    """(N, 7) float64 boxes in the frame of a sweep, yaw in -pi..pi; the identity keeps the world frame.

    Raises BadBoxes for arrays that cannot be, BadTransform where the z axes are more than 30 degrees apart.
    """
    count = len(boxes.position_m)
    position_m = numbers_of_boxes("position_m", boxes.position_m, (count, 3))
    dimensions_m = numbers_of_boxes("dimensions_m", boxes.dimensions_m, (count, 3))
    yaw_rad = numbers_of_boxes("yaw_rad", boxes.yaw_rad, (count,)) + _FROM_Y_TO_X_RAD
    return transformed_boxes(np.column_stack([position_m, dimensions_m[:, [1, 0, 2]], yaw_rad]), T_lidar_world)


def pandaset_of_boxes(boxes: np.ndarray, T_world_lidar: RigidTransform) -> PandaSetBoxes:
    """Boxes (N, 7) of a sweep as PandaSet writes them, yaw in -pi..pi; raises as boxes_of_pandaset()."""
    world = transformed_boxes(boxes, T_world_lidar)
    turned = world[:, 6] - _FROM_Y_TO_X_RAD
    return PandaSetBoxes(world[:, :3], world[:, [4, 3, 5]], np.arctan2(np.sin(turned), np.cos(turned)))
