"""Which objects count in KITTI's object benchmark: classes, difficulties, neighbours, DontCare areas.

Source: Geiger et al. 2012, Are we ready for autonomous driving, section 2.4, and the rules of its object benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.boxes.iou import bev_iou, iou_3d
from lidar_vl_core.boxes.kitti_objects import DONT_CARE, KittiObjects

# The same in 2D, from above and in 3D.
MIN_OVERLAP: Mapping[str, float] = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
_NEIGHBOUR: Mapping[str, str] = {"Car": "Van", "Pedestrian": "Person_sitting"}  # finding one is neither right nor wrong


@dataclass(frozen=True)
class Difficulty:
    """Which true objects must be found."""

    name: str
    min_height_px: int  # of the 2D box; smaller predictions are neither right nor wrong
    max_occluded: int
    max_truncated: float


DIFFICULTIES = (Difficulty("easy", 40, 0, 0.15), Difficulty("moderate", 25, 1, 0.3), Difficulty("hard", 25, 2, 0.5))

# What an object is while one class is judged at one difficulty.
COUNTED = 0
IGNORED = 1  # may be matched, and then neither side counts
OTHER = -1  # of another class: not looked at


def truth_roles(truth: KittiObjects, class_name: str, difficulty: Difficulty) -> np.ndarray:
    """(T,) COUNTED, IGNORED or OTHER, of every true object."""
    too_hard = truth.occluded > difficulty.max_occluded
    too_hard |= truth.truncated > difficulty.max_truncated
    too_hard |= truth.bbox_px[:, 3] - truth.bbox_px[:, 1] < difficulty.min_height_px
    own = truth.kind == class_name
    neighbour = truth.kind == _NEIGHBOUR.get(class_name, "")
    return np.where(own & ~too_hard, COUNTED, np.where(own | neighbour, IGNORED, OTHER))


def found_roles(found: KittiObjects, class_name: str, difficulty: Difficulty) -> np.ndarray:
    """(P,) the same of every prediction; a low one is ignored whatever its class, as in the official tool."""
    low = found.bbox_px[:, 3] - found.bbox_px[:, 1] < difficulty.min_height_px
    return np.where(low, IGNORED, np.where(found.kind == class_name, COUNTED, OTHER))


def overlaps(found: KittiObjects, truth: KittiObjects) -> dict[str, np.ndarray]:
    """IoU (P, T) of predictions and true objects: "2d" in the image, "bev" from above, "3d" in space; 0 with DontCare areas."""
    shape = (len(found), len(truth))
    real = truth.kind != DONT_CARE
    flat, bev, space = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    shared, found_area, truth_area = _shared_area_px(found.bbox_px, truth.bbox_px[real])
    flat[:, real] = _ratio(shared, found_area[:, None] + truth_area[None] - shared)
    ours, theirs = upright_boxes(found), upright_boxes(truth.taken(real))
    bev[:, real], space[:, real] = bev_iou(ours, theirs), iou_3d(ours, theirs)
    return {"2d": flat, "bev": bev, "3d": space}


def share_in_dont_care(found: KittiObjects, truth: KittiObjects) -> np.ndarray:
    """(P,) largest share of a prediction's 2D box that lies in one DontCare area."""
    areas = truth.bbox_px[truth.kind == DONT_CARE]
    shared, found_area, _ = _shared_area_px(found.bbox_px, areas)
    return _ratio(shared, found_area[:, None]).max(axis=1, initial=0.0)


def upright_boxes(objects: KittiObjects) -> np.ndarray:
    """(N, 7) boxes in the camera's frame set upright: its x, z and -y are x, y and z here."""
    height, width, length = objects.size_hwl_m.T
    right, down, forward = objects.bottom_m.T
    return np.stack([right, forward, height / 2 - down, length, width, height, -objects.turned_rad], axis=1)


def _shared_area_px(a_px: np.ndarray, b_px: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shared area (N, M) of 2D boxes (N, 4) and (M, 4), and the area of each."""
    low = np.maximum(a_px[:, None, :2], b_px[None, :, :2])
    high = np.minimum(a_px[:, None, 2:], b_px[None, :, 2:])
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a_px, b_px))
    return np.maximum(high - low, 0.0).prod(axis=2), area_a, area_b


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=part > 0.0)
