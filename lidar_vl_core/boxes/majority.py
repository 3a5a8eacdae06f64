"""The class of most labelled points in a box, as a second opinion on the box's own class."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels

_IDS = 256  # a class id is a byte


@dataclass(frozen=True, eq=False)
class BoxMajority:
    """The most frequent class among the labelled points in each box."""

    class_id: np.ndarray  # (M,) uint8, of the points' class table; 255 where no labelled point lies in the box
    share: np.ndarray  # (M,) float32, 0..1 of the labelled points in the box; 0 where there are none
    points: np.ndarray  # (M,) int64 labelled points in the box


def majority_in_boxes(xyz_m: np.ndarray, class_id: np.ndarray, boxes: np.ndarray) -> BoxMajority:
    """The majority in each of the boxes (M, 7) among points (N, 3) of one frame with classes (N,) uint8, 255 = none.

    Of classes with equally many points the lower id. Raises BadLabels unless each point has a class id, else as
    points_in_boxes().
    """
    if class_id.shape != (len(xyz_m),) or class_id.dtype != np.uint8:
        raise BadLabels(
            f"class_id: expected uint8 ({len(xyz_m)},), one for each point, found {class_id.dtype} {class_id.shape}."
        )
    point_row, box_row = points_in_boxes(xyz_m, boxes)
    label = class_id[point_row]
    known = label != IGNORE_ID
    counts = np.bincount(box_row[known] * _IDS + label[known], minlength=len(boxes) * _IDS).reshape(-1, _IDS)
    points, most = counts.sum(axis=1), counts.max(axis=1)
    found = np.where(points > 0, counts.argmax(axis=1), IGNORE_ID).astype(np.uint8)
    return BoxMajority(found, (most / np.maximum(points, 1)).astype(np.float32), points)
