"""Which proposals PV-RCNN learns from, and what they should say (OpenPCDet's proposal targets)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import iou_3d
from offline_training.networks.second.assignment import encode_boxes

_COUNT, _MOST_POSITIVE, _HARD_SHARE = 128, 64, 0.8  # proposals of a scan that are learnt from
_POSITIVE_IOU, _EASY_IOU = 0.55, 0.1


@dataclass(frozen=True)
class ProposalTargets:
    """Proposals of one scan, with the true box of its class that each overlaps most."""

    boxes: np.ndarray  # (R, 7)
    truth: np.ndarray  # (R, 7); itself where the scan has no box of its class
    overlap: np.ndarray  # (R,) IoU of both, 0 where there is none

    @property
    def is_positive(self) -> np.ndarray:
        """(R,) bool: near enough to be refined."""
        return self.overlap > _POSITIVE_IOU


def proposal_targets(proposals: Boxes3d, truth: Boxes3d, rng: np.random.Generator) -> ProposalTargets:
    """Draw proposals, good and bad ones, and tell what each should have been."""
    overlap = iou_3d(proposals.boxes, truth.boxes) * (proposals.class_id[:, None] == truth.class_id)
    best = overlap.max(axis=1, initial=0.0)
    rows = draw_proposals(best, rng)
    true_boxes = proposals.boxes[rows]
    if len(truth):
        nearest = overlap[rows].argmax(axis=1)
        true_boxes = np.where((best[rows] > 0)[:, None], truth.boxes[nearest], true_boxes)
    return ProposalTargets(proposals.boxes[rows], true_boxes, best[rows])


def draw_proposals(overlap: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(128,) int64 rows of proposals of that IoU (N,) with the truth, none of none: up to half of them good ones.

    Of the others four in five overlap the truth a little, where there are such. Rows come again where there are few.
    """
    good = np.flatnonzero(overlap >= _POSITIVE_IOU)
    hard = np.flatnonzero((overlap < _POSITIVE_IOU) & (overlap >= _EASY_IOU))
    easy = np.flatnonzero(overlap < _EASY_IOU)
    if not len(overlap):
        return good
    if not len(hard) + len(easy):
        return rng.choice(good, _COUNT)
    positive = rng.permutation(good)[:_MOST_POSITIVE]
    left = _COUNT - len(positive)
    hard_count = min(int(left * _HARD_SHARE), len(hard)) if len(easy) else left
    hard_count = hard_count if len(hard) else 0
    parts = [rng.choice(group, count) for group, count in ((hard, hard_count), (easy, left - hard_count)) if count]
    return np.concatenate([positive, *parts])


def codes_in_proposals(truth: Tensor, proposals: Tensor) -> Tensor:
    """Codes (R, 7) of true boxes (R, 7) in the frame of proposals (R, 7), whichever end of the box is in front."""
    yaw_rad = proposals[:, 6]
    cos, sin = yaw_rad.cos(), yaw_rad.sin()
    x, y, z = (truth[:, :3] - proposals[:, :3]).unbind(dim=1)
    turn_rad = torch.remainder(truth[:, 6] - yaw_rad + math.pi / 2, math.pi) - math.pi / 2  # -pi/2..pi/2
    local = torch.stack([x * cos + y * sin, y * cos - x * sin, z], dim=1)
    own = torch.cat([torch.zeros_like(local), proposals[:, 3:6], torch.zeros_like(yaw_rad)[:, None]], dim=1)
    return encode_boxes(torch.cat([local, truth[:, 3:6], turn_rad[:, None]], dim=1), own)
