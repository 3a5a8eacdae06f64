"""Views of RGB-D scenes: a colour image, the depth image that belongs to it, and where both were taken."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset
from offline_training.datasets.base.sample_files import image_size, opened_picture, read_picture_bytes, read_rgb
from offline_training.datasets.rgbd.files.rgbd_frames import (
    Intrinsics,
    RgbdFiles,
    read_intrinsics,
    read_matrix,
    read_pose,
    rgbd_files,
)

_NO_DEPTH = 65535  # 7-Scenes' sign beside 0


def rgbd_view(
    files: RgbdFiles, intrinsics: Intrinsics | None, root: Path, scene: str, depth_units_per_m: float = 1000.0
) -> CameraView | None:
    """The view of a frame, which reads nothing but pose and sizes until asked; None where its pose means nothing.

    root: folder of the data set. Raises BadDataset naming the scene when pose or colour image cannot be read.
    """
    T_world_cam = read_pose(files.pose)
    if T_world_cam is None:
        return None
    camera = color_camera(files, intrinsics, scene)
    return CameraView(
        files.name,
        camera,
        T_world_cam.inverse(),
        0,
        partial(read_rgb, files.color, scene, camera),
        partial(read_picture_bytes, files.color, scene),
        files.color.relative_to(root).as_posix(),
        None if files.depth is None else partial(_depth_of_size, files.depth, scene, depth_units_per_m, camera),
    )


def posed_views(
    scene: Path, root: Path, name: str, step: int = 1, depth_units_per_m: float = 1000.0
) -> tuple[list[CameraView], int]:
    """Views of every step-th frame of a folder, and how many were left out because their pose is invalid. Raises BadDataset."""
    files = rgbd_files(scene)[::step]
    intrinsics = shared_intrinsics(files, scene, root)
    views = (rgbd_view(each, intrinsics, root, name, depth_units_per_m) for each in files)
    known = [view for view in views if view is not None]
    return known, len(files) - len(known)


def shared_intrinsics(files: Sequence[RgbdFiles], scene: Path, root: Path) -> Intrinsics | None:
    """The intrinsics of a scene's frames, None where each has its own. Raises BadDataset."""
    return None if files and all(each.K is not None for each in files) else read_intrinsics(scene, root)


def color_camera(files: RgbdFiles, intrinsics: Intrinsics | None, scene: str) -> CameraModel:
    """Camera of a frame's colour image: the frame's own intrinsics where it has a file of them. Raises BadDataset."""
    if files.K is not None:
        return _camera(files.color, read_matrix(files.K)[:3, :3], scene)
    if intrinsics is None:
        raise BadDataset(f"{scene}: expected intrinsics of frame {files.name}, found none. Copy the scene again.")
    return _camera(files.color, intrinsics.color, scene)


def depth_camera(files: RgbdFiles, depth: Path, intrinsics: Intrinsics | None, scene: str) -> CameraModel:
    """Camera of a frame's depth image as it is stored; raises BadDataset."""
    if intrinsics is not None and intrinsics.depth is not None:
        return _camera(depth, intrinsics.depth, scene)
    return color_camera(files, intrinsics, scene).scaled(*image_size(depth, scene))


def openscene_resized(camera: CameraModel, width: int, height: int) -> CameraModel:
    """A camera for its resized image as OpenScene computes it for ScanNet.

    Focal lengths scale with the size, the principal point with size - 1; `CameraModel.scaled` keeps the image's edges
    instead. The two differ by less than a pixel, not at all for a principal point in the image's middle.
    """
    K = camera.K.copy()
    K[0, :2] *= width / camera.width
    K[1, 1] *= height / camera.height
    K[0, 2] *= (width - 1) / (camera.width - 1)
    K[1, 2] *= (height - 1) / (camera.height - 1)
    return replace(camera, width=width, height=height, K=K)


def read_depth_m(path: Path, scene: str, units_per_m: float) -> np.ndarray:
    """A depth image as (H, W) float32 metres, 0 = none. Raises BadDataset, naming the scene, for what is no 16-bit image."""
    with opened_picture(path, scene, "depth image") as image:
        stored = np.asarray(image)
    # Pillow gives 16-bit grey as uint16, and as int32 in some of its versions.
    if stored.ndim != 2 or stored.dtype not in (np.uint16, np.int32) or stored.min() < 0 or stored.max() > _NO_DEPTH:
        raise BadDataset(
            f"{scene}: expected one channel of 16 bits in {path}, found shape {stored.shape} of {stored.dtype}. "
            "A depth image must hold distances, not colours that show them."
        )
    return metres(stored.astype(np.uint16), units_per_m)


def metres(stored: np.ndarray, units_per_m: float) -> np.ndarray:
    """(H, W) uint16 as stored -> float32 metres; 0 and 65535 mean none and become 0."""
    depth_m = stored.astype(np.float32) / np.float32(units_per_m)
    depth_m[stored == _NO_DEPTH] = 0.0
    return depth_m


def resized_nearest(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, ...) -> (height, width, ...), each pixel that of the nearest centre: depths are never mixed."""
    rows = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(np.int64)
    return image[rows[:, None], columns[None]]


def _depth_of_size(path: Path, scene: str, units_per_m: float, camera: CameraModel) -> np.ndarray:
    depth_m = read_depth_m(path, scene, units_per_m)
    if depth_m.shape == (camera.height, camera.width):
        return depth_m
    return resized_nearest(depth_m, camera.width, camera.height)


def _camera(image: Path, K: np.ndarray, scene: str) -> CameraModel:
    try:
        return CameraModel(*image_size(image, scene), K)
    except BadCalibration as error:
        raise BadDataset(f"{scene}: camera matrix for {image}: {error}") from error
