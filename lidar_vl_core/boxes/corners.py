"""Corners of boxes, in the order of the nuScenes devkit."""

import numpy as np

from lidar_vl_core.boxes.boxes3d import require_boxes

# In halves of length, width and height: the four in front, then the four behind, each from the upper left one
# clockwise as one sees them from behind the box.
_CORNERS = 0.5 * np.array(
    [[1, 1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, 1], [-1, -1, 1], [-1, -1, -1], [-1, 1, -1]]
)
# Pairs of rows of box_corners(): the twelve edges, and a cross on the front that tells the heading.
BOX_EDGES = np.array(
    [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7), (0, 2), (1, 3)]
)
_BEV_CORNERS = 0.5 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])


def box_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 8, 3) float64 corners of boxes (N, 7), metres: front upper left, upper right, lower right, lower left, then behind likewise.

    Left is the side of +y where the heading is +x. Raises BadBoxes for boxes that cannot be.
    """
    wide = require_boxes(boxes)
    corners_m = np.empty((len(wide), 8, 3))
    corners_m[:, :, :2] = _turned(wide[:, None, 3:5] * _CORNERS[:, :2], wide[:, 6])
    corners_m[:, :, 2] = wide[:, None, 5] * _CORNERS[:, 2]
    return corners_m + wide[:, None, :3]


def bev_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4, 2) float64 corners of boxes (N, 7) from above, metres: front left, rear left, rear right, front right (counterclockwise).

    Raises BadBoxes for boxes that cannot be.
    """
    wide = require_boxes(boxes)
    return _turned(wide[:, None, 3:5] * _BEV_CORNERS, wide[:, 6]) + wide[:, None, :2]


def _turned(xy_m: np.ndarray, yaw_rad: np.ndarray) -> np.ndarray:
    """Points (N, K, 2) turned about the origin by yaw (N,)."""
    cos, sin = np.cos(yaw_rad)[:, None], np.sin(yaw_rad)[:, None]
    x_m, y_m = xy_m[..., 0], xy_m[..., 1]
    return np.stack([x_m * cos - y_m * sin, x_m * sin + y_m * cos], axis=-1)
