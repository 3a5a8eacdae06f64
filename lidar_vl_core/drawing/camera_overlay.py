"""The points of one sweep drawn into one camera image, near ones over far ones, hidden ones left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import Pairs, ZBuffer, point_pixel_pairs
from lidar_vl_core.geometry.rigid_transform import RigidTransform

if TYPE_CHECKING:
    from PIL.Image import Image

_OPACITY = 0.85
_MANY_POINTS = 8000  # in one picture: a 32-beam LiDAR gives fewer, a 64-beam one more


@dataclass(frozen=True)
class Coloring:
    """One way to colour the points of a cloud."""

    rgb: np.ndarray  # (N, 3) uint8
    priority: np.ndarray | None = None  # (N,); points of a higher one lie on top, among equals the nearer one does


def camera_overlay(
    rgb: np.ndarray,
    camera: CameraModel,
    T_cam_lidar: RigidTransform,
    xyz_m: np.ndarray,
    colorings: Sequence[Coloring],
    width_px: int = 640,
) -> list["Image"]:
    """Draw points over a paled camera image, once for each colouring.

    rgb: (H, W, 3) uint8 of the size `camera` states. xyz_m: (N, 3) in the LiDAR's frame.
    Returns one RGB image per colouring, `width_px` wide.
    """
    from PIL import Image

    height_px = round(camera.height * width_px / camera.width)
    picture = Image.fromarray(rgb).resize((width_px, height_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    background = paled(np.asarray(picture))
    small_camera = camera.scaled(width_px, height_px)
    pairs = point_pixel_pairs(xyz_m, [(small_camera, T_cam_lidar)], occlusion=ZBuffer(cell_px=3, relative_margin=0.05))
    return [Image.fromarray(_painted(background, pairs, coloring)) for coloring in colorings]


def _painted(background: np.ndarray, pairs: Pairs, coloring: Coloring) -> np.ndarray:
    rank = np.zeros(len(pairs)) if coloring.priority is None else coloring.priority[pairs.point_index]
    order = np.lexsort((-pairs.depth_m, rank))
    uv, color = pairs.pixel_uv[order], coloring.rgb[pairs.point_index[order]]
    height_px, width_px = background.shape[:2]
    canvas = background.copy()
    dot_px = 2 if len(pairs) > _MANY_POINTS else 3
    for down in range(dot_px):
        for right in range(dot_px):
            columns = np.minimum(uv[:, 0] + right, width_px - 1)
            rows = np.minimum(uv[:, 1] + down, height_px - 1)
            canvas[rows, columns] = color  # of several points on a pixel the last one stays
    return (_OPACITY * canvas + (1 - _OPACITY) * background).astype(np.uint8)


def paled(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8, half way to grey and a little darker, so that class colours stand out and the street stays readable."""
    grey = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
    return (0.8 * (0.5 * rgb + 0.5 * grey[..., None])).astype(np.uint8)
