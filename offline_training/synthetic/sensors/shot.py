"""What a camera of the synthetic vehicle gives: an image, and where and when it was taken."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform


@dataclass(frozen=True)
class CameraMount:
    """A camera's place on the vehicle."""

    name: str
    xyz_m: tuple[float, float, float]
    yaw_deg: float
    field_deg: float  # horizontal field of view
    delay_share: float  # of the sweep after its start: when the LiDAR's beam passes the middle of the view


@dataclass(frozen=True)
class Picture:
    """What a camera saw."""

    rgb: np.ndarray  # (H, W, 3) uint8
    depth_m: np.ndarray  # (H, W) float32 along the optical axis; inf where there is sky
    class_id: np.ndarray  # (H, W) uint8, 255 for sky and for things without class


@dataclass(frozen=True, eq=False)
class Shot:
    """One camera of the ring at its moment of a sweep."""

    mount: CameraMount
    camera: CameraModel
    T_cam_lidar: RigidTransform  # LiDAR frame at the end of the sweep -> optical frame at the shot
    T_world_base: RigidTransform  # of the vehicle at the shot
    time_s: float
    picture: Picture
