"""Pictures of six cameras around a vehicle, as JPEG, for what depends on their number and not on what they show."""

import io
from functools import partial

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.cameras.pairing import Pairs, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.geometry.rigid_transform import RigidTransform

WIDTH, HEIGHT = 1600, 900
_TO_OPTICAL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def jpeg_views(count: int) -> list[CameraView]:
    """Cameras at equal angles; pictures of blocks of colour, decoded whenever they are asked for."""
    K = np.array([[1260.0, 0.0, WIDTH / 2], [0.0, 1260.0, HEIGHT / 2], [0.0, 0.0, 1.0]])
    camera, views = CameraModel(WIDTH, HEIGHT, K), []
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (HEIGHT // 20, WIDTH // 20, 3), np.uint8)
        jpeg = encode_jpeg(coarse.repeat(20, axis=0).repeat(20, axis=1))
        c, s = np.cos(2 * np.pi * number / count), np.sin(2 * np.pi * number / count)
        turned = _TO_OPTICAL @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        pose = RigidTransform(turned, np.zeros(3))
        views.append(CameraView(f"camera {number}", camera, pose, 0, partial(_decoded, jpeg)))
    return views


def paired(xyz_m: np.ndarray, views: list[CameraView]) -> Pairs:
    """Every picture decoded, every point paired."""
    for view in views:
        view.load_rgb()
    return point_pixel_pairs(xyz_m, [(view.camera, view.T_cam_lidar) for view in views])


def _decoded(jpeg: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)
