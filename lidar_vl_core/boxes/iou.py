"""How much boxes overlap: intersection over union (IoU) of rotated boxes, from above and in space.

Boxes of no area (from above) or no volume (in space) have IoU 0 with every box, one equal to them included. Pairs are
looked at from one of their boxes, so that boxes in the coordinates of a map lose nothing.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lidar_vl_core.boxes.boxes3d import require_boxes
from lidar_vl_core.boxes.loops.overlap_loops import iou_of_all
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.foundation.threads import HelperThreads, default_threads

_PAIRS_WORTH_A_THREAD = 20_000  # about half a millisecond where few of them are near each other
_LARGEST_M = 1e50  # beyond it a volume is no float64 any more; any float32 of a network's answer stays below


def bev_iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """(N, M) float64 IoU in bird's-eye view of every box (N, 7) with every other (M, 7), metres and radians.

    Raises BadBoxes for another shape, numbers that are not finite, a size below zero, or metres above 1e50.
    """
    return _of_all(_seen_from_above(boxes_a), _seen_from_above(boxes_b))


def iou_3d(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """(N, M) float64 IoU of volumes of every box (N, 7) with every other (M, 7); raises as bev_iou()."""
    return _of_all(_in_space(boxes_a), _in_space(boxes_b))


class _Shapes(NamedTuple):
    """Boxes as the loops want them."""

    flat: np.ndarray  # (N, 7) float64: x, y, half length, half width, cos(yaw), sin(yaw), half diagonal
    z: np.ndarray  # (N, 2) float64: middle and half height, zeros from above
    content: np.ndarray  # (N,) float64: area or volume


def flat_boxes(boxes: np.ndarray) -> np.ndarray:
    """(N, 7) float64 rows of overlap_loops.py, of boxes (N, 7); raises as bev_iou()."""
    wide = require_boxes(boxes)
    if (too_far := np.abs(wide[:, :6]).max(axis=1, initial=0.0) > _LARGEST_M).any():
        row = int(np.argmax(too_far))
        raise BadBoxes(
            f"boxes: expected metres up to {_LARGEST_M:g}, found {wide[row].tolist()} in row {row}. Leave such boxes out."
        )
    flat = np.empty((len(wide), 7))  # in C order whatever the boxes' is, else the loops would be compiled once more
    flat[:, :2], flat[:, 2:4] = wide[:, :2], 0.5 * wide[:, 3:5]
    flat[:, 4], flat[:, 5] = np.cos(wide[:, 6]), np.sin(wide[:, 6])
    flat[:, 6] = np.hypot(flat[:, 2], flat[:, 3])
    return flat


def _seen_from_above(boxes: np.ndarray) -> _Shapes:
    flat = flat_boxes(boxes)
    return _Shapes(flat, np.zeros((len(flat), 2)), 4.0 * flat[:, 2] * flat[:, 3])


def _in_space(boxes: np.ndarray) -> _Shapes:
    flat = flat_boxes(boxes)
    z = np.empty((len(flat), 2))
    z[:, 0], z[:, 1] = boxes[:, 2], boxes[:, 5]
    z[:, 1] *= 0.5
    return _Shapes(flat, z, 8.0 * flat[:, 2] * flat[:, 3] * z[:, 1])


def _of_all(a: _Shapes, b: _Shapes) -> np.ndarray:
    iou = np.empty((len(a.flat), len(b.flat)))
    parts = max(1, min(default_threads(), iou.size // _PAIRS_WORTH_A_THREAD, len(iou)))
    edges = np.linspace(0, len(iou), parts + 1).astype(int).tolist()
    with HelperThreads(parts) as helpers:
        for first, last in pairwise(edges):
            helpers.add(partial(iou_of_all, *a, *b, first, last, iou))
    return iou
