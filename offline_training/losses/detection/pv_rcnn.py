"""Losses of PV-RCNN beside those of its anchor head (Shi et al., CVPR 2020, section 3.4): keypoints, confidence, refinement."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from offline_training.losses.detection.focal import sigmoid_focal

INSIDE, OUTSIDE, NEAR = 1, 0, -1  # a keypoint in a box, in none, and in the rim of one, which is ignored
_BETA = 1.0 / 9.0  # where smooth L1 of the codes turns from a square to a line
_SIGNS = ((1, 1), (1, -1), (-1, -1), (-1, 1))  # of half the length and half the width, corner by corner


def keypoints_in_boxes(logit: Tensor, place: Tensor) -> Tensor:
    """Focal loss of whether keypoints lie in a box, per keypoint that does.

    logit: (P,); place: (P,) int64 INSIDE, OUTSIDE or NEAR. Returns a scalar.
    """
    per_point = sigmoid_focal(logit, place == INSIDE)
    return (per_point * (place != NEAR)).sum() / (place == INSIDE).sum().clamp_min(1)


def confidence(logit: Tensor, overlap: Tensor, low: float = 0.25, high: float = 0.75) -> Tensor:
    """Cross-entropy of how well proposals overlap the truth: 0 below an IoU of `low`, 1 above `high`, a line between (eq. 7).

    logit, overlap: (R,). Returns a scalar; without proposals 0 with a gradient path.
    """
    truth = ((overlap - low) / (high - low)).clamp(0.0, 1.0)
    total = functional.binary_cross_entropy_with_logits(logit.to(truth.dtype), truth, reduction="sum")
    return total / max(len(logit), 1)


def refinement(code: Tensor, truth: Tensor) -> Tensor:
    """Smooth L1 of the codes (P, 7) of positive proposals, summed over the numbers, per proposal; 0 without any."""
    total = functional.smooth_l1_loss(code.to(truth.dtype), truth, beta=_BETA, reduction="sum")
    return total / max(len(code), 1)


def corners_apart(boxes: Tensor, truth: Tensor) -> Tensor:
    """Smooth L1 of the distances (m) between the corners of boxes (P, 7) and the true ones (P, 7), whichever end is in front.

    Mean over corners and boxes (F-PointNet, Qi et al., CVPR 2018); 0 without any, with a gradient path.
    """
    turned = truth + truth.new_tensor([0, 0, 0, 0, 0, 0, math.pi])
    found = _corners(boxes.to(truth.dtype))
    apart = torch.minimum(_distance(found, _corners(truth)), _distance(found, _corners(turned)))
    total = functional.smooth_l1_loss(apart, torch.zeros_like(apart), reduction="sum")
    return total / max(apart.numel(), 1)


def _corners(boxes: Tensor) -> Tensor:
    """(P, 8, 3) corners, the same one at the same place for all boxes."""
    sign = boxes.new_tensor([(*flat, up) for up in (1, -1) for flat in _SIGNS])
    along, across, up = (boxes[:, None, 3:6] * sign / 2).unbind(dim=2)
    cos, sin = boxes[:, 6:].cos(), boxes[:, 6:].sin()
    return torch.stack([along * cos - across * sin, along * sin + across * cos, up], dim=2) + boxes[:, None, :3]


def _distance(one: Tensor, other: Tensor) -> Tensor:
    # The gradient of a root has no value at 0, where a corner lies exactly right.
    return ((one - other) ** 2).sum(dim=2).clamp_min(1e-12).sqrt()
