"""What the maps of CenterPoint should say of a scan: a Gaussian at each centre, and the numbers of the box there."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.box_heads.center_maps import CenterGrid
from lidar_vl_core.boxes.boxes3d import Boxes3d

BOX_NUMBERS, VELOCITY_NUMBERS = 8, 2  # centre x, y, z, log length, width, height, cos and sin of the yaw; velocity x, y
_OVERLAP = 0.1  # IoU that a box moved by the radius still has with the true one, about
_SMALLEST_RADIUS = 2  # cells
_SMALLEST_M = 1e-5  # a box of no size has no logarithm


@dataclass(frozen=True)
class ScanTargets:
    """One group of classes in one scan, with P boxes of the group in the map."""

    heat: np.ndarray  # (K, H, W) float32, 1 at centres
    cell: np.ndarray  # (P,) int64 row * W + column of each centre
    value: np.ndarray  # (P, 10) float32 what the maps say there, in the order of the head; NaN = not known


def scan_targets(
    truth: Boxes3d, class_ids: tuple[int, ...], grid: CenterGrid, map_shape: tuple[int, int], axis_alone: bool = False
) -> ScanTargets:
    """Targets of the boxes of these classes whose centre lies in the map; map_shape: (W, H) cells along x and y.

    axis_alone: the yaw is that of the box's axis, see axis_yaw().
    """
    width, height = map_shape
    cell_xy = (truth.boxes[:, :2] - (grid.x_min_m, grid.y_min_m)) / grid.cell_m
    inside = ((cell_xy >= 0) & (cell_xy < map_shape)).all(axis=1)
    rows = np.flatnonzero(inside & np.isin(truth.class_id, class_ids))
    boxes, cell_xy = truth.boxes[rows], cell_xy[rows]
    corner = cell_xy.astype(np.int64)
    radius = gaussian_radius(boxes[:, 3] / grid.cell_m[0], boxes[:, 4] / grid.cell_m[1])
    heat = np.zeros((len(class_ids), height, width), np.float32)
    for row, (column, line), reach in zip(rows, corner, radius, strict=True):
        draw_gaussian(heat[class_ids.index(int(truth.class_id[row]))], int(column), int(line), int(reach))
    yaw_rad = axis_yaw(boxes[:, 6]) if axis_alone else boxes[:, 6]
    value = np.column_stack(
        [
            cell_xy - corner,
            boxes[:, 2],
            np.log(np.maximum(boxes[:, 3:6], _SMALLEST_M)),
            np.cos(yaw_rad),
            np.sin(yaw_rad),
            truth.velocity_mps[rows],
        ]
    )
    return ScanTargets(heat, corner[:, 1] * width + corner[:, 0], value.astype(np.float32))


def axis_yaw(yaw_rad: np.ndarray) -> np.ndarray:
    """The same axes with the front at the end that lies in -45 to 135 degrees, so that front and back need no telling apart.

    Cosine and sine of yaws that differ by half a turn for things that look alike average to nothing. The jump from one end
    to the other lies away from the directions along and across the vehicle, where most things stand.
    yaw_rad: any shape, which the result has.
    """
    return (yaw_rad + np.pi / 4) % np.pi - np.pi / 4


def gaussian_radius(length: np.ndarray, width: np.ndarray) -> np.ndarray:
    """(N,) int64 reach of the Gaussians of boxes (N,) of that many cells: the smallest of CornerNet's three cases, 2 at least.

    The roots are divided by 2 alone, as CornerNet's code has it and CenterPoint's weights were trained with, and not by
    twice the first coefficient.
    """
    total, area = length + width, length * width
    cases = (
        (1.0, total, area * (1 - _OVERLAP) / (1 + _OVERLAP)),
        (4.0, 2 * total, area * (1 - _OVERLAP)),
        (4 * _OVERLAP, -2 * _OVERLAP * total, area * (_OVERLAP - 1)),
    )
    radius = np.min([(b + np.sqrt(b**2 - 4 * a * c)) / 2 for a, b, c in cases], axis=0)
    return np.maximum(radius.astype(np.int64), _SMALLEST_RADIUS)


def draw_gaussian(heat: np.ndarray, column: int, row: int, radius: int) -> None:
    """Raise a heat map (H, W) to a Gaussian of deviation (2 radius + 1) / 6 cells around a cell, 0 beyond the radius."""
    height, width = heat.shape
    rows = np.arange(max(row - radius, 0), min(row + radius + 1, height))
    columns = np.arange(max(column - radius, 0), min(column + radius + 1, width))
    squared = (rows[:, None] - row) ** 2 + (columns - column) ** 2
    around = heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.maximum(around, np.exp(-squared / (2 * ((2 * radius + 1) / 6) ** 2)), out=around)
