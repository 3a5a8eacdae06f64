"""Boxes encoded as a point cloud: a point at the centre of each, its other numbers in fields."""

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadBoxes

_SIZE_AND_YAW, _VELOCITY = ("length", "width", "height", "yaw"), ("vx", "vy")
BOX_FIELDS = (*_SIZE_AND_YAW, *_VELOCITY, "score", "class_id")  # to decode such a cloud with


def boxes_of_cloud(cloud: PointCloud) -> Boxes3d:
    """The boxes of a cloud that was decoded with BOX_FIELDS, in its order and frame. Raises BadBoxes."""
    if missing := [name for name in BOX_FIELDS if name not in cloud.extra]:
        raise BadBoxes(f"cloud of boxes: expected the fields {', '.join(BOX_FIELDS)}, found no {', '.join(missing)}.")
    center_m = np.column_stack(cloud.coordinates())
    numbers = [cloud.extra[name] for name in _SIZE_AND_YAW]
    velocity_mps = np.column_stack([cloud.extra[name] for name in _VELOCITY])
    return Boxes3d.of(
        np.column_stack([center_m, *numbers]),
        cloud.extra["class_id"],
        cloud.extra["score"],
        velocity_mps,
        cloud.frame_id,
    )
