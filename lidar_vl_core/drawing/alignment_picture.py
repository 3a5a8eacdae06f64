"""Depth edges of a cloud drawn into an image, where the calibration has them and where they fit best, and the scores between."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.drawing.camera_overlay import paled
from lidar_vl_core.drawing.figures import captioned, in_rows
from lidar_vl_core.edge_alignment.alignment import Alignment
from lidar_vl_core.edge_alignment.depth_edges import DepthEdges
from lidar_vl_core.edge_alignment.score_map import SHIFTS_M, TURNS_DEG, ScoreMaps, turn

if TYPE_CHECKING:
    from PIL.Image import Image

CALIBRATED_RGB, BEST_RGB = (255, 120, 0), (0, 190, 255)
_WIDTH_PX, _MAP_PX = 720, 189  # nine pixels for each of 21 steps


def alignment_picture(
    name: str, rgb: np.ndarray, camera: CameraModel, depth: DepthEdges, maps: ScoreMaps, alignment: Alignment
) -> "Image":
    """One camera: its image (H, W, 3) with the edges of one cloud, orange as calibrated, blue where all frames fit best; both maps.

    depth: in the camera's frame. maps, alignment: of all frames.
    """
    from PIL import Image

    height_px = round(camera.height * _WIDTH_PX / camera.width)
    small = camera.scaled(_WIDTH_PX, height_px)
    canvas = paled(np.asarray(Image.fromarray(rgb).resize((_WIDTH_PX, height_px), Image.Resampling.BILINEAR)))
    if alignment.is_turned:
        best_m = depth.xyz_cam_m @ turn(alignment.yaw_deg.best, alignment.pitch_deg.best).T
    else:
        best_m = depth.xyz_cam_m + np.array([alignment.right_m.best, alignment.down_m.best, 0.0])
    _dots(canvas, small, best_m, BEST_RGB)
    _dots(canvas, small, depth.xyz_cam_m, CALIBRATED_RGB)
    reach_cm = 100 * SHIFTS_M[-1]
    cells = [
        captioned(captioned(Image.fromarray(canvas), _offsets_told(alignment)), f"{name}: {_verdict_told(alignment)}"),
        captioned(_map_picture(maps.turned[:, ::-1]), f"turned, +-{TURNS_DEG[-1]:.1f} deg"),
        captioned(_map_picture(maps.shifted), f"moved, +-{reach_cm:.0f} cm"),
    ]
    return in_rows(cells, len(cells))


def _verdict_told(alignment: Alignment) -> str:
    return f"cannot tell: {alignment.why_unclear}" if alignment.why_unclear else alignment.verdict.value


def _offsets_told(alignment: Alignment) -> str:
    turned = f"turned {alignment.yaw_deg.best:+.1f} deg right, {alignment.pitch_deg.best:+.1f} deg up"
    moved = f"moved {100 * alignment.right_m.best:+.0f} cm right, {100 * alignment.down_m.best:+.0f} cm down"
    return f"best {turned}, or {moved}; orange: as calibrated, blue: best"


def _dots(canvas: np.ndarray, camera: CameraModel, xyz_cam_m: np.ndarray, rgb: tuple[int, int, int]) -> None:
    uv_px, _, visible = camera.project(xyz_cam_m)
    columns, rows = uv_px[visible].round().astype(int).T
    for right in (-1, 0, 1):
        for down in (-1, 0, 1):
            canvas[np.clip(rows + down, 0, len(canvas) - 1), np.clip(columns + right, 0, canvas.shape[1] - 1)] = rgb


def _map_picture(scores: np.ndarray) -> "Image":
    """Scores (A, A) by right and down, bright where they are high; a cross as calibrated, a square where they are highest."""
    from PIL import Image

    shown = scores.T
    low, high = float(shown.min()), float(shown.max())
    grey = np.round(255 * (shown - low) / (high - low if high > low else 1.0)).astype(np.uint8)
    side = _MAP_PX // len(grey)
    pixels = np.repeat(np.repeat(np.stack([grey] * 3, axis=2), side, axis=0), side, axis=1)
    middle = len(pixels) // 2
    pixels[middle, middle - side : middle + side + 1] = CALIBRATED_RGB
    pixels[middle - side : middle + side + 1, middle] = CALIBRATED_RGB
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    pixels[row * side : (row + 1) * side, column * side : (column + 1) * side] = BEST_RGB
    return Image.fromarray(pixels)
