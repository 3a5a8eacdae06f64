"""Anchors of SECOND: boxes of one size per class at every cell of a map, and box codes relative to them (Yan et al., 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig

CODE_NUMBERS = 7  # of a box and of its code


@dataclass(frozen=True)
class AnchorKind:
    """The anchors of one class."""

    class_id: int
    size_m: tuple[float, float, float]  # length, width, height
    bottom_m: float  # z of the lower face in the frame of the boxes
    yaws_rad: tuple[float, ...] = (0.0, 1.57)  # of SECOND's published weights: not quite a quarter turn


# KITTI's classes in velodyne coordinates, whose origin lies 1.73 m above the road (OpenPCDet's second.yaml and pv_rcnn.yaml).
KITTI_ANCHORS = (
    AnchorKind(0, (3.9, 1.6, 1.56), -1.78),
    AnchorKind(1, (0.8, 0.6, 1.73), -0.6),
    AnchorKind(2, (1.76, 0.6, 1.73), -0.6),
)


def anchor_boxes(
    kinds: Sequence[AnchorKind], point_cloud_range_m: Sequence[float], map_shape: tuple[int, int]
) -> np.ndarray:
    """Anchors (H, W, kinds, yaws, 7) float32 of a map with map_shape = (W, H) cells along x and y.

    The first and the last anchor of an axis lie on the faces of the range (min x, y, z, max x, y, z), as OpenPCDet has it.
    Raises BadConfig for no kind, kinds of unlike numbers of yaws, and sizes that are not above 0.
    """
    if not kinds or len({len(kind.yaws_rad) for kind in kinds}) != 1 or min(min(kind.size_m) for kind in kinds) <= 0:
        raise BadConfig(f"anchors: expected sizes above 0 and the same number of yaws for all kinds, found {kinds}.")
    width, height = map_shape
    x_min, y_min, _, x_max, y_max, _ = point_cloud_range_m
    boxes = np.empty((height, width, len(kinds), len(kinds[0].yaws_rad), CODE_NUMBERS), np.float32)
    boxes[..., 0] = np.linspace(x_min, x_max, width)[None, :, None, None]
    boxes[..., 1] = np.linspace(y_min, y_max, height)[:, None, None, None]
    for number, kind in enumerate(kinds):
        boxes[:, :, number, :, 2] = kind.bottom_m + kind.size_m[2] / 2
        boxes[:, :, number, :, 3:6] = kind.size_m
        boxes[:, :, number, :, 6] = kind.yaws_rad
    return boxes


def boxes_of_codes(codes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Boxes (N, 7) float64 from codes (N, 7) relative to anchors (N, 7); a code too large for a number gives inf.

    Code: x, y over the anchor's diagonal, z over its height, logarithms of the ratios of the sizes, difference of the yaws.
    """
    codes, anchors = codes.astype(np.float64), anchors.astype(np.float64)
    diagonal = np.hypot(anchors[:, 3], anchors[:, 4])[:, None]
    with np.errstate(over="ignore"):
        return np.column_stack(
            [
                anchors[:, :2] + codes[:, :2] * diagonal,
                anchors[:, 2:3] + codes[:, 2:3] * anchors[:, 5:6],
                anchors[:, 3:6] * np.exp(codes[:, 3:6]),
                anchors[:, 6:] + codes[:, 6:],
            ]
        )
