"""What scanning a synthetic room gives: images with depth and truth, where they were taken, and the fused cloud."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_FIELD_DEG = 68.0  # horizontal, as the wide cameras of phones and tablets that scan rooms


@dataclass(frozen=True, eq=False)
class RoomPicture:
    """What the camera saw."""

    rgb: np.ndarray  # (H, W, 3) uint8
    depth_m: np.ndarray  # (H, W) float32 along the optical axis, without noise
    class_id: np.ndarray  # (H, W) uint8, 255 = no class
    instance: np.ndarray  # (H, W) uint16, thing k of the room is k + 1
    slant: np.ndarray  # (H, W) float32 cosine between ray and surface


@dataclass(frozen=True, eq=False)
class RoomShot:
    """One RGB-D image with the depth that was measured, and where it was taken."""

    picture: RoomPicture
    measured_depth_m: np.ndarray  # (H, W) float32, whole millimetres, 0 = none
    T_room_cam: RigidTransform


@dataclass(frozen=True, eq=False)
class RoomCloud:
    """Points of a whole room."""

    xyz_m: np.ndarray  # (N, 3) float32 in the room's frame
    rgb: np.ndarray  # (N, 3) uint8
    class_id: np.ndarray  # (N,) uint8, 255 = no class
    instance: np.ndarray  # (N,) uint16


def room_camera(width: int) -> CameraModel:
    """A 4:3 pinhole camera."""
    height = round(width * 3 / 4)
    focal = width / 2 / np.tan(np.radians(_FIELD_DEG) / 2)
    return CameraModel(
        width, height, np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
    )
