"""One frame as two networks see it, from above, side by side, and where they differ."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.bird_eye_view import bird_eye_view, fitting_half_width_m
from lidar_vl_core.drawing.box_figures import boxes_from_above_figure
from lidar_vl_core.drawing.box_lines import shown_boxes
from lidar_vl_core.drawing.figures import captioned, in_rows, legend, png_bytes
from lidar_vl_core.drawing.palette import RIGHT_RGB, WRONG_RGB, class_colors

if TYPE_CHECKING:
    from PIL.Image import Image

_PANEL_PX = 560


def labels_png(cloud: PointCloud, class_ids: Sequence[np.ndarray], names: Sequence[str], classes: ClassTable) -> bytes:
    """A .png of the points in the colours of both (N,) class ids, and of those that they label differently, in red."""
    met = cloud.has_return()
    xyz_m = cloud.measured_xyz_m()[met]
    reach_m = fitting_half_width_m(xyz_m)
    ids = [each[met] for each in class_ids]
    colors = class_colors(classes)
    panels = [
        captioned(bird_eye_view(xyz_m, colors[each], reach_m, _PANEL_PX), name)
        for each, name in zip(ids, names, strict=True)
    ]
    differs = (ids[0] != ids[1]).astype(np.int64)
    rgb = np.array((RIGHT_RGB, WRONG_RGB), np.uint8)[differs]
    panels.append(captioned(bird_eye_view(xyz_m, rgb, reach_m, _PANEL_PX, differs), "labelled differently: red"))
    return _sheet_png(panels, np.concatenate(ids), classes)


def boxes_png(cloud: PointCloud, boxes: Sequence[Boxes3d], names: Sequence[str], classes: ClassTable) -> bytes:
    """A .png of the points in grey, once with the boxes of each."""
    xyz_m = cloud.measured_xyz_m()[cloud.has_return()]
    origin = np.array([*cloud.origin_m, 0, 0, 0, 0])
    drawn = [replace(each, boxes=each.boxes - origin) for each in map(shown_boxes, boxes)]
    panels = [
        captioned(boxes_from_above_figure(xyz_m, each, None, classes, _PANEL_PX), name)
        for each, name in zip(drawn, names, strict=True)
    ]
    return _sheet_png(panels, np.concatenate([each.class_id for each in drawn]), classes)


def _sheet_png(panels: Sequence["Image"], shown: np.ndarray, classes: ClassTable) -> bytes:
    sheet = in_rows(panels, len(panels))
    return png_bytes(in_rows([sheet, legend(classes, shown, sheet.width)], 1))
