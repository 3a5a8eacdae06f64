"""Figures of one labelled frame: views from above and camera overlays side by side, with captions and a legend."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.drawing.bird_eye_view import (
    VEHICLE_FROM_M,
    bird_eye_view,
    fitting_half_width_m,
    middle_and_half_width_m,
)
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.palette import INK_RGB, RIGHT_RGB, UNKNOWN_RGB, WRONG_RGB, class_colors, error_colors
from lidar_vl_core.foundation.errors import BadCalibration, BadImage, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = tuple[CameraView, np.ndarray]  # a view and its (H, W, 3) uint8 RGB

_GAP_PX = 10


def top_view_figure(
    xyz_m: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None, classes: ClassTable, panel_px: int = 420
) -> "Image":
    """top_view_panels() side by side. xyz_m: (N, 3); prediction, truth: (N,) class ids."""
    panels = top_view_panels(xyz_m, prediction, truth, classes, panel_px)
    return in_rows(panels, len(panels))


def top_view_panels(
    xyz_m: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None, classes: ClassTable, panel_px: int = 420
) -> "list[Image]":
    """Prediction, and where there is truth also truth and error, from above; a room fills the image, without a vehicle.

    xyz_m: (N, 3). prediction, truth: (N,) class ids, 255 = none.
    """
    colors = class_colors(classes)
    kinds = {"prediction": Coloring(colors[prediction])}
    if truth is not None:
        kinds["truth"] = Coloring(colors[truth])
        kinds["error: wrong red, right grey"] = Coloring(*error_colors(prediction, truth))
    middle_m, half_width_m = middle_and_half_width_m(xyz_m)
    is_room = half_width_m < VEHICLE_FROM_M
    shown_m = xyz_m - middle_m if is_room else xyz_m
    half_width_m = half_width_m if is_room else fitting_half_width_m(xyz_m)
    return [
        captioned(bird_eye_view(shown_m, kind.rgb, half_width_m, panel_px, kind.priority, not is_room), what)
        for what, kind in kinds.items()
    ]


def load_pictures(views: Sequence[CameraView]) -> tuple[list[Picture], list[str]]:
    """Decode the camera images of a frame; returns those that can be drawn into, and what is wrong with the others."""
    pictures, problems = [], []
    for view in views:
        try:
            rgb = view.load_rgb()
            view.require_size(rgb)
            pictures.append((view, rgb))
        except BadImage as error:
            problems.append(f"camera {view.name}: {error}")
        except BadCalibration as error:
            problems.append(str(error))
    return pictures, problems


def overlay_figure(
    pictures: Sequence[Picture],
    xyz_m: np.ndarray,
    prediction: np.ndarray,
    truth: np.ndarray | None,
    classes: ClassTable,
    width_px: int = 420,
    columns: int = 3,
) -> "Image":
    """Every camera with the predicted classes on it and, where there is truth, the errors below.

    pictures: at least one, as load_pictures gives them; drawn the forward ones first, each row from left to right.
    xyz_m: (N, 3); prediction, truth: (N,) class ids.
    """
    colors = class_colors(classes)
    kinds = {"prediction": Coloring(colors[prediction])}
    if truth is not None:
        kinds["error"] = Coloring(*error_colors(prediction, truth))
    columns = min(columns, len(pictures))
    ordered = as_seen_from_the_seat(pictures, columns)
    cells: list[Image] = []
    for start in range(0, len(ordered), columns):
        row = ordered[start : start + columns]
        drawn = [
            camera_overlay(rgb, view.camera, view.T_cam_lidar, xyz_m, list(kinds.values()), width_px)
            for view, rgb in row
        ]
        for kind, what in enumerate(kinds):
            cells += [captioned(drawn[k][kind], f"{view.name}: {what}") for k, (view, _) in enumerate(row)]
            cells += [_blank_like(cells[-1])] * (columns - len(row))
    return in_rows(cells, columns)


def legend(classes: ClassTable, shown: np.ndarray, width_px: int, with_errors: bool = False) -> "Image":
    """Name and colour of every class that is shown.

    shown: (N,) class ids that occur in the images, any order. The image is `width_px` wide and as high as needed.
    """
    from PIL import Image, ImageDraw, ImageFont

    colors = class_colors(classes)
    ids = sorted({int(class_id) for class_id in np.unique(shown)} - {IGNORE_ID})
    entries = [(classes.names[class_id].replace("_", " "), tuple(colors[class_id])) for class_id in ids]
    if IGNORE_ID in shown:
        entries.append(("none", UNKNOWN_RGB))
    if with_errors:
        entries += [("wrong", WRONG_RGB), ("right", RIGHT_RGB)]
    font = ImageFont.load_default(size=14)
    places, x, y = [], 4, 4
    for name, color in entries:
        width = 20 + int(font.getlength(name)) + 18
        if x + width > width_px and x > 4:
            x, y = 4, y + 22
        places.append((x, y, name, color))
        x += width
    picture = Image.new("RGB", (width_px, y + 24), "white")
    draw = ImageDraw.Draw(picture)
    for x, y, name, color in places:
        draw.rounded_rectangle((x, y + 2, x + 14, y + 16), 3, fill=tuple(int(value) for value in color))
        draw.text((x + 20, y + 9), name, fill=INK_RGB, font=font, anchor="lm")
    return picture


def captioned(picture: "Image", text: str) -> "Image":
    """Put one line of text above an image; a long one is cut."""
    from PIL import Image, ImageDraw, ImageFont

    taller = Image.new("RGB", (picture.width, picture.height + 22), "white")
    taller.paste(picture, (0, 22))
    ImageDraw.Draw(taller).text(
        (2, 11), shortened(text), fill=INK_RGB, font=ImageFont.load_default(size=14), anchor="lm"
    )
    return taller


def in_rows(pictures: Sequence["Image"], columns: int) -> "Image":
    """Arrange images row by row with a white gap between them."""
    from PIL import Image

    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max(sum(picture.width for picture in row) + _GAP_PX * (len(row) - 1) for row in rows)
    heights = [max(picture.height for picture in row) for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + _GAP_PX * (len(rows) - 1)), "white")
    y = 0
    for row, height in zip(rows, heights, strict=True):
        x = 0
        for picture in row:
            sheet.paste(picture, (x, y))
            x += picture.width + _GAP_PX
        y += height + _GAP_PX
    return sheet


def png_bytes(picture: "Image") -> bytes:
    """The content of a PNG file of an image."""
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def labelled_png(xyz_m: np.ndarray, class_id: np.ndarray, classes: ClassTable) -> bytes:
    """A .png of points (N, 3) from above in the colours of their classes (N,) uint8, with a legend."""
    view = top_view_figure(xyz_m, class_id, None, classes, panel_px=900)
    return png_bytes(in_rows([view, legend(classes, class_id, view.width)], 1))


def _blank_like(picture: "Image") -> "Image":
    from PIL import Image

    return Image.new("RGB", picture.size, "white")


def as_seen_from_the_seat(pictures: Sequence[Picture], columns: int) -> list[Picture]:
    """The most forward cameras in the first row from left to right, the others behind from left over the back to right."""

    def bearing_rad(picture: Picture) -> float:
        axis = picture[0].T_cam_lidar.inverse().rotation[:, 2]  # where the camera looks, in the LiDAR's frame
        return float(np.arctan2(axis[1], axis[0]))

    by_front = sorted(pictures, key=lambda picture: abs(bearing_rad(picture)))
    front = sorted(by_front[:columns], key=bearing_rad, reverse=True)
    return front + sorted(by_front[columns:], key=lambda picture: bearing_rad(picture) % (2 * np.pi))
