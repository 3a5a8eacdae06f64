"""The section of a report about one frame: labels and boxes from above and in the cameras' images, with what the colours mean."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.commands.report_page.box_sections import TRUTH_IS_DRAWN
from lidar_vl_core.commands.report_page.images import jpeg_image, png_image
from lidar_vl_core.drawing.box_figures import boxes_in_cameras_figure, boxes_panel
from lidar_vl_core.drawing.figures import (
    Picture,
    in_rows,
    legend,
    load_pictures,
    overlay_figure,
    top_view_figure,
    top_view_panels,
)
from lidar_vl_core.evaluation.evaluation import LabelledFrame
from lidar_vl_core.foundation.errors import one_line, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

_OVERLAY_PX = {1: 960, 2: 635, 3: 420}  # cameras side by side -> width of each


def frame_section(caption: str, frame: LabelledFrame, classes: ClassTable, box_classes: ClassTable | None) -> str:
    """The section as HTML. classes: of the labels; box_classes: as Evaluation has them."""
    truth = frame.truth
    cameras, problems = load_pictures(frame.views)
    occurring = frame.class_id if truth is None else np.concatenate([frame.class_id, truth])
    pictures = [png_image(_from_above(frame, classes, box_classes), f"{caption}, from above")]
    if cameras:
        figures = _in_cameras(frame, cameras, classes, box_classes)
        pictures += [jpeg_image(figure, f"{caption}, camera overlays") for figure in figures]
    pictures += [f'<p class="note">{escape(one_line(problem))}</p>' for problem in problems]
    pictures.append(
        png_image(legend(classes, occurring, 1280, with_errors=truth is not None), "colours of the classes")
    )
    found, true_boxes = frame.drawn_boxes()
    pictures += [] if true_boxes is None else [TRUTH_IS_DRAWN]
    if box_classes is not None and found is not None and len(found):
        pictures.append(png_image(legend(box_classes, found.class_id, 1280), "colours of the boxes"))
    points = f'<p class="note">{len(frame.cloud):,} points, stamp {frame.cloud.stamp_ns} ns, frame {escape(shortened(frame.cloud.frame_id))}</p>'
    return f"<section><h2>{escape(caption)}</h2>{points}{''.join(pictures)}</section>"


def _from_above(frame: LabelledFrame, classes: ClassTable, box_classes: ClassTable | None) -> "Image":
    """Labels, boxes where a detector answers alone, or boxes beside labels."""
    xyz_m, (found, true_boxes) = frame.cloud.measured_xyz_m(), frame.drawn_boxes()
    if found is None:
        panel_px = 420 if frame.truth is not None else 760
        return top_view_figure(xyz_m, frame.class_id, frame.truth, classes, panel_px)
    if box_classes is None:
        return boxes_panel(xyz_m, found, true_boxes, classes, 760)
    panels = top_view_panels(xyz_m, frame.class_id, frame.truth, classes, 630)
    return in_rows([*panels, boxes_panel(xyz_m, found, true_boxes, box_classes, 630)], 2)


def _in_cameras(
    frame: LabelledFrame, cameras: Sequence[Picture], classes: ClassTable, box_classes: ClassTable | None
) -> "Iterator[Image]":
    """The same, in the images of the cameras."""
    xyz_m, (found, true_boxes) = frame.cloud.measured_xyz_m(), frame.drawn_boxes()
    columns = min(len(frame.views), 3)
    width_px = _OVERLAY_PX[columns]
    if found is None or box_classes is not None:
        yield overlay_figure(cameras, xyz_m, frame.class_id, frame.truth, classes, width_px, columns)
    if found is not None:
        of_boxes = classes if box_classes is None else box_classes
        yield boxes_in_cameras_figure(cameras, found, true_boxes, of_boxes, width_px, columns)
