"""Figures of the boxes of one frame, from above and in every camera: predictions in the colours of their classes, below them the truth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.drawing.bird_eye_view import bird_eye_view, fitting_half_width_m
from lidar_vl_core.drawing.box_lines import LEAST_SHOWN_SCORE, with_boxes_from_above, with_boxes_in_camera
from lidar_vl_core.drawing.camera_overlay import paled
from lidar_vl_core.drawing.figures import Picture, as_seen_from_the_seat, captioned, in_rows
from lidar_vl_core.drawing.palette import INK_RGB, RIGHT_RGB, class_colors

if TYPE_CHECKING:
    from PIL.Image import Image

_TRUTH_PX = 3.5  # wider than a prediction, so that it shows below one that is right
_FOUND_PX = 2.0
_WHITE_RGB = (255, 255, 255)


def boxes_from_above_figure(
    xyz_m: np.ndarray,
    found: Boxes3d,
    truth: Boxes3d | None,
    classes: ClassTable,
    size_px: int = 840,
    half_width_m: float | None = None,
) -> "Image":
    """The points (N, 3) of a sweep in grey with the boxes over them, all in the sweep's frame; the truth is black."""
    reach_m = fitting_half_width_m(xyz_m) if half_width_m is None else half_width_m
    picture = bird_eye_view(xyz_m, np.tile(np.array(RIGHT_RGB, np.uint8), (len(xyz_m), 1)), reach_m, size_px)
    if truth is not None:
        picture = with_boxes_from_above(picture, truth.boxes, _all_in(INK_RGB, truth), reach_m, _TRUTH_PX)
    return with_boxes_from_above(picture, found.boxes, class_colors(classes)[found.class_id], reach_m, _FOUND_PX)


def boxes_panel(
    xyz_m: np.ndarray, found: Boxes3d, truth: Boxes3d | None, classes: ClassTable, panel_px: int
) -> "Image":
    """boxes_from_above_figure() with what it shows written above, to stand beside the panels of labels.

    xyz_m: (N, 3).
    """
    told = f"boxes above {LEAST_SHOWN_SCORE}" + ("" if truth is None else ", truth in black")
    return captioned(boxes_from_above_figure(xyz_m, found, truth, classes, panel_px), told)


def boxes_in_cameras_figure(
    pictures: Sequence[Picture],
    found: Boxes3d,
    truth: Boxes3d | None,
    classes: ClassTable,
    width_px: int = 640,
    columns: int = 3,
) -> "Image":
    """Every camera with the boxes in it. pictures: at least one, as load_pictures() gives them; drawn the forward ones first. The truth is white."""
    columns = min(columns, len(pictures))
    cells = []
    for view, rgb in as_seen_from_the_seat(pictures, columns):
        picture = _background(rgb, width_px)
        if truth is not None:
            picture = with_boxes_in_camera(
                picture, view.camera, view.T_cam_lidar, truth.boxes, _all_in(_WHITE_RGB, truth), _TRUTH_PX
            )
        colors = class_colors(classes)[found.class_id]
        drawn = with_boxes_in_camera(picture, view.camera, view.T_cam_lidar, found.boxes, colors, _FOUND_PX)
        cells.append(captioned(drawn, view.name))
    return in_rows(cells, columns)


def _all_in(rgb: tuple[int, int, int], boxes: Boxes3d) -> np.ndarray:
    return np.tile(np.array(rgb, np.uint8), (len(boxes), 1))


def _background(rgb: np.ndarray, width_px: int) -> "Image":
    from PIL import Image

    height_px = round(rgb.shape[0] * width_px / rgb.shape[1])
    small = Image.fromarray(rgb).resize((width_px, height_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Image.fromarray(paled(np.asarray(small)))
