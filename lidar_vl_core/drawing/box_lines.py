"""Boxes as lines over a picture: outlines from above, edges in a camera's image; the front tells the heading."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.corners import BOX_EDGES, bev_corners, box_corners
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.line_segments import project_segments
from lidar_vl_core.geometry.rigid_transform import RigidTransform

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SHOWN_SCORE = 0.3  # of the boxes in pictures: those below are many, and most of them wrong
_OVERSAMPLING = 3  # lines are drawn larger and averaged down: smooth at any angle


def shown_boxes(boxes: Boxes3d) -> Boxes3d:
    """The boxes confident enough to be drawn, the best last, so that it is on top."""
    return boxes.taken(np.flatnonzero(boxes.score >= LEAST_SHOWN_SCORE)[::-1])


def with_boxes_from_above(
    picture: "Image", boxes: np.ndarray, rgb: np.ndarray, half_width_m: float, width_px: float = 1.5
) -> "Image":
    """A bird_eye_view() of that half width with the outlines of boxes (N, 7) on it, a line from each middle to its front.

    rgb: (N, 3) uint8. Later boxes lie on top.
    """
    corners_m = bev_corners(boxes)  # front left, rear left, rear right, front right
    front_m = corners_m[:, [0, 3]].mean(axis=1)
    beyond_m = front_m + 0.25 * (front_m - boxes[:, :2])  # a little out of the box, so that short boxes show it, too
    outline_m = np.stack([corners_m, np.roll(corners_m, -1, axis=1)], axis=2)  # (N, 4, 2, 2)
    heading_m = np.stack([boxes[:, :2].astype(np.float64), beyond_m], axis=1)[:, None]
    lines_m = np.concatenate([outline_m, heading_m], axis=1)
    pixel_per_m = picture.width / (2 * half_width_m)
    lines_px = np.stack([half_width_m - lines_m[..., 1], half_width_m - lines_m[..., 0]], axis=-1) * pixel_per_m
    reach_px = np.abs(lines_px - picture.width / 2).max(axis=(1, 2, 3), initial=0.0)
    near = reach_px < 4 * picture.width  # lines that leave the picture are cut; boxes far away are not drawn
    return _with_lines(picture, lines_px[near].reshape(-1, 2, 2), np.repeat(rgb[near], 5, axis=0), width_px)


def with_boxes_in_camera(
    picture: "Image",
    camera: CameraModel,
    T_cam_lidar: RigidTransform,
    boxes: np.ndarray,
    rgb: np.ndarray,
    width_px: float = 1.5,
) -> "Image":
    """A camera's image with the edges of boxes (N, 7) of the LiDAR's frame in it, a cross on each front face.

    picture: of the camera's view, any size. rgb: (N, 3) uint8. Near boxes lie on top; what is behind the camera is cut off.
    """

    corners_cam_m = T_cam_lidar.apply(box_corners(boxes).reshape(-1, 3)).reshape(-1, 8, 3)
    order = np.argsort(-corners_cam_m[:, :, 2].mean(axis=1), kind="stable")
    edges_cam_m = corners_cam_m[order][:, BOX_EDGES].reshape(-1, 2, 3)
    lines_px, row = project_segments(camera.scaled(picture.width, picture.height), edges_cam_m)
    return _with_lines(picture, lines_px + 0.5, rgb[order[row // len(BOX_EDGES)]], width_px)


def _with_lines(picture: "Image", lines_px: np.ndarray, rgb: np.ndarray, width_px: float) -> "Image":
    """Lines (K, 2, 2) over an image whose upper left corner is (0, 0), colours (K, 3) uint8, later ones on top."""
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", (picture.width * _OVERSAMPLING, picture.height * _OVERSAMPLING))
    draw = ImageDraw.Draw(layer)
    width = max(1, round(width_px * _OVERSAMPLING))
    for line_px, color in zip(lines_px * _OVERSAMPLING, rgb.tolist(), strict=True):
        draw.line([tuple(end) for end in line_px.tolist()], fill=(*color, 255), width=width)
    drawn = picture.convert("RGBA")
    drawn.alpha_composite(layer.resize(picture.size, Image.Resampling.BOX))
    return drawn.convert("RGB")
