"""The points of one sweep drawn into one camera picture, near ones over far ones, hidden ones left out."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.camera import CameraModel
from lidar_vl_core.geometry import RigidTransform
from lidar_vl_core.pairing import ZBuffer, point_pixel_pairs

if TYPE_CHECKING:
    from PIL.Image import Image

_OPACITY = 0.85


def camera_overlay(
    rgb: np.ndarray,
    camera: CameraModel,
    T_cam_lidar: RigidTransform,
    xyz_m: np.ndarray,
    colors_rgb: np.ndarray,
    width_px: int = 640,
    priority: np.ndarray | None = None,
) -> "Image":
    """Draw points over a paled camera picture.

    rgb: (H, W, 3) uint8 of the size `camera` states. xyz_m: (N, 3) in the LiDAR's frame. colors_rgb: (N, 3) uint8.
    priority: (N,), points of a higher one lie on top; among equals the nearer one does.
    Returns an RGB picture `width_px` wide.
    """
    from PIL import Image

    height_px = round(camera.height * width_px / camera.width)
    picture = Image.fromarray(rgb).resize((width_px, height_px), Image.Resampling.BILINEAR)
    canvas = _paled(np.asarray(picture))
    pairs = point_pixel_pairs(
        xyz_m, [(camera.scaled(width_px, height_px), T_cam_lidar)], occlusion=ZBuffer(cell_px=3, relative_margin=0.05)
    )
    rank = np.zeros(len(pairs.point_index)) if priority is None else priority[pairs.point_index]
    order = np.lexsort((-pairs.depth_m, rank))
    uv, color = pairs.pixel_uv[order], colors_rgb[pairs.point_index[order]]
    painted = canvas.copy()
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        columns = np.minimum(uv[:, 0] + right, width_px - 1)
        rows = np.minimum(uv[:, 1] + down, height_px - 1)
        painted[rows, columns] = color
    blended = _OPACITY * painted.astype(np.float32) + (1 - _OPACITY) * canvas
    return Image.fromarray(blended.astype(np.uint8))


def _paled(rgb: np.ndarray) -> np.ndarray:
    """Half way to grey and a little darker, so that class colours stand out while the street stays readable."""
    grey = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
    return (0.8 * (0.5 * rgb + 0.5 * grey[..., None])).astype(np.uint8)
