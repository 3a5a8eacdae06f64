"""Which anchor answers for which box, and what it should say (SECOND; OpenPCDet's axis-aligned assignment)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lidar_vl_core.box_heads.anchor_maps import DIRECTION_OFFSET_RAD
from offline_training.losses.detection.second import BACKGROUND, IGNORED

_SMALLEST_M = 1e-5  # a box of no size has no logarithm


@dataclass(frozen=True)
class AnchorTargets:
    """What the anchors of S scans should say, N anchors each in the order of the head's maps."""

    column: Tensor  # (S, N) int64 score that should be 1, or BACKGROUND or IGNORED
    code: Tensor  # (S, N, 7) float32 of positive anchors, zeros elsewhere
    direction: Tensor  # (S, N) int64 0 or 1 of positive anchors


@dataclass(frozen=True)
class MatchThresholds:
    """IoU from which an anchor is positive, and below which it is background; what lies between is ignored."""

    matched: float
    unmatched: float


KITTI_THRESHOLDS = (MatchThresholds(0.6, 0.45), MatchThresholds(0.5, 0.35), MatchThresholds(0.5, 0.35))


def assign_anchors(
    anchors: Tensor, boxes: Tensor, kind_of_box: Tensor, thresholds: Sequence[MatchThresholds]
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets of one scan: column (N,), code (N, 7), direction (N,) as in AnchorTargets, N = H * W * kinds * yaws.

    anchors: (H, W, kinds, yaws, 7); boxes: (M, 7); kind_of_box: (M,) int64, others than 0..kinds - 1 are not looked at.
    """
    column = torch.full(anchors.shape[:4], BACKGROUND, dtype=torch.int64, device=anchors.device)
    code = anchors.new_zeros(anchors.shape)
    direction = torch.zeros_like(column)
    for kind, limits in enumerate(thresholds):
        own_boxes = boxes[kind_of_box == kind]
        if not len(own_boxes):
            continue
        own_anchors = anchors[:, :, kind].reshape(-1, 7)
        box_of_anchor, state = _matched(nearest_bev_iou(own_anchors, own_boxes), limits)
        positive = state >= 0
        matched_boxes = own_boxes[box_of_anchor[positive]]
        own_code, own_direction = torch.zeros_like(own_anchors), torch.zeros_like(state)
        own_code[positive] = encode_boxes(matched_boxes, own_anchors[positive])
        own_direction[positive] = direction_of(matched_boxes[:, 6])
        shape = anchors[:, :, kind].shape[:3]
        column[:, :, kind] = torch.where(positive, kind, state).reshape(shape)
        code[:, :, kind] = own_code.reshape(*shape, 7)
        direction[:, :, kind] = own_direction.reshape(shape)
    return column.flatten(), code.reshape(-1, 7), direction.flatten()


def nearest_bev_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """(N, M) IoU from above of boxes (N, 7) and (M, 7), each turned to the nearest multiple of a quarter turn."""
    low_a, high_a = _upright(boxes_a)
    low_b, high_b = _upright(boxes_b)
    overlap = (torch.minimum(high_a[:, None], high_b) - torch.maximum(low_a[:, None], low_b)).clamp_min(0).prod(dim=2)
    area_a, area_b = (high_a - low_a).prod(dim=1), (high_b - low_b).prod(dim=1)
    return overlap / (area_a[:, None] + area_b - overlap).clamp_min(1e-6)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Codes (N, 7) of boxes (N, 7) relative to anchors (N, 7): the inverse of lidar_vl_core.box_heads.anchors.boxes_of_codes()."""
    diagonal = torch.linalg.vector_norm(anchors[:, 3:5], dim=1, keepdim=True)
    return torch.cat(
        [
            (boxes[:, :2] - anchors[:, :2]) / diagonal,
            (boxes[:, 2:3] - anchors[:, 2:3]) / anchors[:, 5:6],
            torch.log(boxes[:, 3:6].clamp_min(_SMALLEST_M) / anchors[:, 3:6]),
            boxes[:, 6:] - anchors[:, 6:],
        ],
        dim=1,
    )


def direction_of(yaw_rad: Tensor) -> Tensor:
    """(N,) int64 0 for headings within the half turn from DIRECTION_OFFSET_RAD on, 1 for the others."""
    turned = torch.remainder(yaw_rad - DIRECTION_OFFSET_RAD, 2 * math.pi)
    return (turned >= math.pi).long()


def _matched(overlap: Tensor, limits: MatchThresholds) -> tuple[Tensor, Tensor]:
    """The box (N,) each anchor overlaps most, and (N,) 0 = positive, BACKGROUND or IGNORED, from IoU (N, M).

    The anchors that overlap a box most of all are positive too, however little that is.
    """
    best_overlap, box_of_anchor = overlap.max(dim=1)
    best_of_box = overlap.max(dim=0).values
    forced = ((overlap == best_of_box) & (best_of_box > 0)).any(dim=1)
    state = torch.full_like(box_of_anchor, IGNORED)
    state[best_overlap < limits.unmatched] = BACKGROUND
    state[forced | (best_overlap >= limits.matched)] = 0
    return box_of_anchor, state


def _upright(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corners (N, 2) from above, after the turn to the nearest quarter."""
    yaw_rad = boxes[:, 6] - torch.floor(boxes[:, 6] / math.pi + 0.5) * math.pi  # -pi/2..pi/2
    along_x = (yaw_rad.abs() < math.pi / 4)[:, None]
    half = torch.where(along_x, boxes[:, 3:5], boxes[:, [4, 3]]) / 2
    return boxes[:, :2] - half, boxes[:, :2] + half
