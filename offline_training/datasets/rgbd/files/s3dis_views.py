"""The images of 2D-3D-S that were taken in a room of S3DIS.

Folder: area_1 to area_6 (area_5a and area_5b) beside or in the folder of the rooms, each with data/rgb, data/depth and
data/pose. A pose file stores the camera's rotation and translation from the world into the camera, not the other way.
"""

from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset, BadTransform
from lidar_vl_core.foundation.files import read_json
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample_files import image_size, read_picture_bytes, read_rgb
from offline_training.datasets.rgbd.files.rgbd_view import read_depth_m
from offline_training.datasets.rgbd.files.s3dis_rooms import Room

_DEPTH_UNITS_PER_M = 512.0
_CENTRE_TOLERANCE_M = 0.05  # between the stored place of a camera and the one its matrix gives
# area_5b is posed in a frame of its own; this turns it into Area_5's, as Pointcept's authors align the two meshes.
_T_AREA5_AREA5B = RigidTransform(
    np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([-4.09703582, 6.22617759, 0.0])
)


class AreaImages:
    """Finds the images of rooms by the names of their files."""

    def __init__(self, folder: Path) -> None:
        """folder: of the rooms; images lie in it or in the folder above."""
        self._roots = (folder, folder.parent)
        self._poses: dict[Path, dict[str, list[Path]]] = {}  # of an area, by room

    def views(self, room: Room, step: int) -> tuple[list[CameraView], int]:
        """Every step-th image of a room, and how many were left out because their pose is invalid. Raises BadDataset."""
        poses = [pose for area in self._areas(room.area) for pose in self._of_rooms(area).get(room.room, [])]
        chosen = poses[::step]
        views = [view for pose in chosen if (view := _view(pose, room.name)) is not None]
        return views, len(chosen) - len(views)

    def _areas(self, area: str) -> list[Path]:
        name = area.lower()
        return sorted({path for root in self._roots for path in root.glob(f"{name}*/data/pose")})

    def _of_rooms(self, poses: Path) -> dict[str, list[Path]]:
        if poses not in self._poses:
            rooms: dict[str, list[Path]] = {}
            for path in sorted(poses.glob("camera_*_domain_pose.json")):
                # camera_<uuid>_<room>_<number>_frame_<number>_domain_pose.json
                room = path.stem.partition("_frame_")[0].split("_", 2)[2]
                rooms.setdefault(room, []).append(path)
            self._poses[poses] = rooms
        return self._poses[poses]


def _view(pose: Path, room: str) -> CameraView | None:
    stem, data = pose.name.removesuffix("_domain_pose.json"), pose.parent.parent
    color, depth = data / "rgb" / f"{stem}_domain_rgb.png", data / "depth" / f"{stem}_domain_depth.png"
    K, T_cam_area = _read_pose(pose)
    if T_cam_area is None:
        return None
    if data.parent.name.endswith("5b"):
        T_cam_area = T_cam_area @ _T_AREA5_AREA5B.inverse()
    try:
        camera = CameraModel(*image_size(color, room), K)
    except BadCalibration as error:
        raise BadDataset(f"{pose}: camera_k_matrix: {error}") from error
    return CameraView(
        stem,
        camera,
        T_cam_area,
        0,
        partial(read_rgb, color, room, camera),
        partial(read_picture_bytes, color, room),
        f"{data.parent.name}/data/rgb/{color.name}",
        partial(read_depth_m, depth, room, _DEPTH_UNITS_PER_M),
    )


def _read_pose(path: Path) -> tuple[np.ndarray, RigidTransform | None]:
    """K and T_cam_area; None for the transform where it is not rigid. The stored place of the camera must agree with it."""
    try:
        stored = read_json(path)
        K = np.array(stored["camera_k_matrix"], np.float64)
        matrix = np.array(stored["camera_rt_matrix"], np.float64)[:3]
        location_m = np.array(stored["camera_location"], np.float64).reshape(3)
        T_cam_area = RigidTransform.from_matrix(matrix)
    except BadTransform:
        return K, None
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadDataset(
            f"{path}: expected camera_k_matrix, camera_rt_matrix and camera_location, found: {error!r}. Unpack it again."
        ) from error
    off_m = float(np.linalg.norm(T_cam_area.apply(location_m[None])))
    if not off_m <= _CENTRE_TOLERANCE_M:
        raise BadDataset(
            f"{path}: expected camera_rt_matrix from the world into the camera, which stands at {location_m.tolist()}, "
            f"found one that puts that place {off_m:.2f} m before the camera. The poses were converted: use the original ones."
        )
    return K, T_cam_area
