"""Which points lie in which boxes. The six faces belong to a box; points that are not finite lie in none."""

import numpy as np

from lidar_vl_core.boxes.boxes3d import require_boxes
from lidar_vl_core.boxes.iou import flat_boxes
from lidar_vl_core.boxes.loops.point_loops import points_of_boxes
from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadPointCloud

_ROUNDING = 1e-6, 1e-15  # of a box's extent and of its place: the cells searched may be too many, never too few


def points_in_boxes(xyz_m: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P,) of points (N, 3) and rows (P,) of boxes (M, 7), int64: entry i says that this point is in this box.

    Sorted by box, then by point; points and boxes in one frame, metres. Raises BadPointCloud and BadBoxes for other
    shapes, BadBoxes for boxes that cannot be.
    """
    point_row, start = _points_of_boxes(xyz_m, boxes)
    pair = np.repeat(np.arange(len(boxes)), np.diff(start)) * len(xyz_m) + point_row
    pair.sort()  # compiled, a sort would take longer to compile than all the rest
    box_row, point_row = np.divmod(pair, max(len(xyz_m), 1))
    return point_row, box_row


def count_points_in_boxes(xyz_m: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(M,) int64 how many points lie in each box; takes and raises what points_in_boxes() does."""
    return np.diff(_points_of_boxes(xyz_m, boxes)[1])


def box_of_points(xyz_m: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) int64 row of the first box that each point lies in, -1 for none; takes and raises what points_in_boxes() does."""
    point_row, box_row = points_in_boxes(xyz_m, boxes)
    box_of_point = np.full(len(xyz_m), -1, np.int64)
    box_of_point[point_row[::-1]] = box_row[::-1]  # the first box is written last
    return box_of_point


def _points_of_boxes(xyz_m: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if xyz_m.ndim != 2 or xyz_m.shape[1] != 3:
        raise BadPointCloud(f"xyz_m: expected shape (N, 3), found {xyz_m.shape}. Give x, y, z of each point.")
    wide = require_boxes(boxes)
    flat = flat_boxes(wide)
    z = np.empty((len(wide), 2))
    z[:, 0], z[:, 1] = wide[:, 2], 0.5 * wide[:, 5]
    half_length_m, half_width_m = flat[:, 2], flat[:, 3]
    cos, sin = np.abs(flat[:, 4]), np.abs(flat[:, 5])
    reach_m = np.empty((len(wide), 3))
    reach_m[:, 0] = cos * half_length_m + sin * half_width_m
    reach_m[:, 1] = sin * half_length_m + cos * half_width_m
    reach_m[:, 2] = z[:, 1]
    center_m = np.ascontiguousarray(wide[:, :3])
    reach_m += _ROUNDING[0] * reach_m + _ROUNDING[1] * np.abs(center_m)
    low_m, high_m = center_m - reach_m, center_m + reach_m
    region_m = np.stack([low_m.min(axis=0, initial=np.inf), high_m.max(axis=0, initial=-np.inf)])
    return points_of_boxes(read_only(xyz_m, np.float64), flat, z, low_m, high_m, region_m)
