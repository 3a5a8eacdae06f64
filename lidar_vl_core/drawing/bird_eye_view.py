"""One cloud seen from above: x forward is up, y left is left, with range rings, a scale bar and the vehicle."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.drawing.palette import FAINT_RGB, INK_RGB

if TYPE_CHECKING:
    from PIL.Image import Image

_OVERSAMPLING = 2  # drawn twice as large and averaged down: smooth dots at the speed of plain assignment
_SMALLEST_M, _LARGEST_M = 3.0, 60.0  # half widths of a picture: a small room, the dense part of a sweep
VEHICLE_FROM_M = 15.0  # half width of a picture that may show the vehicle: rooms have none


def bird_eye_view(
    xyz_m: np.ndarray,
    colors_rgb: np.ndarray,
    half_width_m: float,
    size_px: int = 420,
    priority: np.ndarray | None = None,
    with_vehicle: bool = True,
) -> "Image":
    """Draw points from above on white, the sensor in the middle.

    xyz_m: (N, 3), non-finite points are left out. colors_rgb: (N, 3) uint8. half_width_m: middle to edge.
    priority: (N,), points of a higher one lie on top; among equals the higher point does. Returns a square RGB image.
    """
    from PIL import Image

    side_px = size_px * _OVERSAMPLING
    pixel_per_m = side_px / (2 * half_width_m)
    picture = _rings(side_px, half_width_m)
    canvas = np.array(picture)
    column, row, index = _pixels(xyz_m, half_width_m, side_px)
    rank = np.zeros(len(index)) if priority is None else priority[index]
    order = np.lexsort((xyz_m[index, 2], rank))
    dot_px = max(2, round(side_px / (420 if len(index) > 80_000 else 280)))
    for down in range(dot_px):
        for right in range(dot_px):
            rows = np.minimum(row[order] + down, side_px - 1)
            columns = np.minimum(column[order] + right, side_px - 1)
            canvas[rows, columns] = colors_rgb[index[order]]  # of several points on a pixel the last one stays
    picture = Image.fromarray(canvas)
    if with_vehicle:
        _draw_vehicle(picture, pixel_per_m)
    picture = picture.resize((size_px, size_px), Image.Resampling.BOX)
    _draw_scale_bar(picture, half_width_m)
    return picture


def fitting_half_width_m(xyz_m: np.ndarray) -> float:
    """Half width that shows nine of ten points: a multiple of 10 m between 30 m and 60 m. xyz_m: (N, 3)."""
    horizontal_m = np.linalg.norm(xyz_m[np.isfinite(xyz_m).all(axis=1), :2].astype(np.float64), axis=1)
    if len(horizontal_m) == 0:
        return 40.0
    return float(np.clip(np.ceil(np.percentile(horizontal_m, 90) / 10) * 10, 30, 60))


def middle_and_half_width_m(xyz_m: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle (3,) and half width of a square that shows nine of ten points: around the sensor of a sweep, else the scene's."""
    horizontal_m = xyz_m[np.isfinite(xyz_m).all(axis=1), :2].astype(np.float64)
    if len(horizontal_m) == 0:
        return np.zeros(3, np.float32), _LARGEST_M
    low, high = np.quantile(horizontal_m, [0.02, 0.98], axis=0)
    around_sensor = (low < 0).all() and (high > 0).all() and np.linalg.norm(high - low) > VEHICLE_FROM_M
    middle = np.zeros(2) if around_sensor else (low + high) / 2
    reach_m = np.quantile(np.abs(horizontal_m - middle).max(axis=1), 0.9 if around_sensor else 0.98)
    return np.array([*middle, 0.0], np.float32), float(np.clip(np.ceil(1.05 * reach_m), _SMALLEST_M, _LARGEST_M))


def _pixels(xyz_m: np.ndarray, half_width_m: float, side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    finite = np.flatnonzero(np.isfinite(xyz_m).all(axis=1))
    forward_m, left_m = xyz_m[finite, 0].astype(np.float64), xyz_m[finite, 1].astype(np.float64)
    inside = (np.abs(forward_m) < half_width_m) & (np.abs(left_m) < half_width_m)
    scale = side_px / (2 * half_width_m)
    column = ((half_width_m - left_m[inside]) * scale).astype(np.int64)
    row = ((half_width_m - forward_m[inside]) * scale).astype(np.int64)
    return np.minimum(column, side_px - 1), np.minimum(row, side_px - 1), finite[inside]


def _rings(side_px: int, half_width_m: float) -> "Image":
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (side_px, side_px), "white")
    draw = ImageDraw.Draw(picture)
    middle = side_px / 2
    for ring_m in range(20, int(half_width_m) + 1, 20):
        radius = ring_m / half_width_m * middle
        draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), outline=FAINT_RGB, width=2)
    return picture


def _draw_vehicle(picture: "Image", pixel_per_m: float) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    middle = picture.width / 2
    length, width = max(4.6 * pixel_per_m, 26), max(2.0 * pixel_per_m, 16)  # a car's outline, at least visible
    outline = [
        (middle, middle - length / 2),
        (middle + width / 2, middle + length / 2),
        (middle, middle + length / 4),
        (middle - width / 2, middle + length / 2),
    ]
    draw.polygon(outline, fill=INK_RGB, outline="white", width=2)


def _draw_scale_bar(picture: "Image", half_width_m: float) -> None:
    from PIL import ImageDraw, ImageFont

    bar_m = 1 if half_width_m <= 10 else 10 if half_width_m <= 40 else 20
    length = bar_m / (2 * half_width_m) * picture.width
    left, bottom = 12, picture.height - 12
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 6, bottom - 24, left + length + 6, bottom + 6), fill="white")
    draw.line((left, bottom, left + length, bottom), fill=INK_RGB, width=2)
    for end in (left, left + length):
        draw.line((end, bottom - 5, end, bottom + 1), fill=INK_RGB, width=2)
    font = ImageFont.load_default(size=13)
    draw.text((left + length / 2, bottom - 4), f"{bar_m} m", fill=INK_RGB, font=font, anchor="mb")
