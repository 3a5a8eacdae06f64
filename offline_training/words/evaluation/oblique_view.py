"""A coloured scene seen obliquely from above, without its ceiling and nearer walls, as papers draw rooms."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_OVERSAMPLING = 2  # drawn twice as large and averaged down
_AZIMUTH_RAD, _ELEVATION_RAD = np.deg2rad(235.0), np.deg2rad(50.0)  # direction of the viewer
_CEILING_M, _WALL_M, _KEPT_WALL_M = (
    0.3,
    0.25,
    0.15,
)  # removed: below the top, and beside the nearer edges above the floor
_TOP_PERCENTILE = 99.0  # of the heights: a few stray points do not make a ceiling
_MARGIN = 1.04


def oblique_view(xyz_m: np.ndarray, colors_rgb: np.ndarray, width_px: int = 420) -> "Image":
    """Draw points in parallel projection on white; the nearest of several points on a pixel is shown.

    xyz_m: (N, 3), z up; non-finite points are left out. colors_rgb: (N, 3) uint8. Returns an RGB image of aspect ratio
    4 : 3.
    """
    from PIL import Image

    side = np.array([width_px, width_px * 3 // 4]) * _OVERSAMPLING
    canvas = np.full((side[1], side[0], 3), 255, np.uint8)
    shown = _inside_of_the_box(xyz_m)
    if len(shown):
        place, depth = _projected(xyz_m[shown].astype(np.float64))
        low, high = place.min(axis=0), place.max(axis=0)
        px_per_m = float((side / np.maximum((high - low) * _MARGIN, 1e-6)).min())
        pixel = ((place - (low + high) / 2) * px_per_m + side / 2).astype(np.int64)
        order = np.argsort(-depth, kind="stable")
        _draw(canvas, pixel[order], colors_rgb[shown[order]], _dot_px(place, px_per_m))
    return Image.fromarray(canvas).resize((width_px, width_px * 3 // 4), Image.Resampling.BOX)


def _inside_of_the_box(xyz_m: np.ndarray) -> np.ndarray:
    """Indices of finite points, without the ceiling and the upper parts of the walls nearest the viewer."""
    finite = np.flatnonzero(np.isfinite(xyz_m).all(axis=1))
    if not len(finite):
        return finite
    xyz = xyz_m[finite]
    low, high = (np.percentile(xyz, share, axis=0) for share in (100 - _TOP_PERCENTILE, _TOP_PERCENTILE))
    viewer = np.array([np.cos(_AZIMUTH_RAD), np.sin(_AZIMUTH_RAD)])
    near_edge = np.where(viewer < 0, low[:2], high[:2])
    beside = ((xyz[:, :2] - near_edge) * np.sign(viewer) > -_WALL_M).any(axis=1)
    tall = high[2] - low[2] > 2.0  # a room, not a table top
    hidden = (xyz[:, 2] > high[2] - _CEILING_M) | (beside & (xyz[:, 2] > low[2] + _KEPT_WALL_M))
    return finite[~hidden] if tall else finite


def _projected(xyz_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) metres to the right and down in the image, (N,) metres away from the viewer."""
    sin_a, cos_a = np.sin(_AZIMUTH_RAD), np.cos(_AZIMUTH_RAD)
    sin_e, cos_e = np.sin(_ELEVATION_RAD), np.cos(_ELEVATION_RAD)
    right = np.array([-sin_a, cos_a, 0.0])
    up = np.array([-cos_a * sin_e, -sin_a * sin_e, cos_e])
    towards = np.array([cos_a * cos_e, sin_a * cos_e, sin_e])
    return np.stack([xyz_m @ right, -(xyz_m @ up)], axis=1), -(xyz_m @ towards)


def _dot_px(place: np.ndarray, px_per_m: float) -> int:
    """Side of a point's square in pixels, chosen so that neighbouring points of a surface leave no gaps."""
    area = np.prod(np.ptp(place, axis=0)) * px_per_m**2
    return int(np.clip(np.ceil(1.3 * np.sqrt(area / len(place))), 2, 9))


def _draw(canvas: np.ndarray, pixel: np.ndarray, colors_rgb: np.ndarray, dot_px: int) -> None:
    """Draw squares in the order of the points, later ones over earlier ones."""
    height, width = canvas.shape[:2]
    offsets = np.arange(dot_px) - dot_px // 2
    right, down = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    column = np.clip(pixel[:, :1] + right, 0, width - 1)  # (N, dot^2), point by point: a dot is drawn whole
    row = np.clip(pixel[:, 1:] + down, 0, height - 1)
    canvas[row, column] = colors_rgb[:, None, :]
