"""PV-RCNN's losses: against sums written out, boxes turned by half, and scans without anything."""

import math

import numpy as np
import pytest
import torch

from lidar_vl_core.boxes.corners import box_corners
from offline_training.losses.detection.focal import sigmoid_focal
from offline_training.losses.detection.pv_rcnn import (
    INSIDE,
    NEAR,
    OUTSIDE,
    confidence,
    corners_apart,
    keypoints_in_boxes,
    refinement,
)
from tests.training.losses.detection.random_tensors import made


def made_boxes(seed: int, count: int) -> torch.Tensor:
    return torch.cat([made(seed, count, 3), made(seed + 1, count, 3).exp(), made(seed + 2, count, 1) * 3], dim=1)


def test_keypoints_in_the_rim_of_a_box_do_not_count():
    logit, place = made(0, 5), torch.tensor([INSIDE, OUTSIDE, NEAR, INSIDE, OUTSIDE])
    focal = sigmoid_focal(logit, place == INSIDE)
    torch.testing.assert_close(keypoints_in_boxes(logit, place), (focal.sum() - focal[2]) / 2)
    assert float(keypoints_in_boxes(logit, torch.full((5,), OUTSIDE))) > 0


def test_confidence_follows_the_overlap_between_two_bounds():
    logit, overlap = made(1, 4), torch.tensor([0.1, 0.25, 0.4, 0.9], dtype=torch.float64)
    total = 0.0
    for x, truth in zip(logit.tolist(), (0.0, 0.0, 0.3, 1.0), strict=True):
        p = 1 / (1 + math.exp(-x))
        total -= truth * math.log(p) + (1 - truth) * math.log(1 - p)
    assert float(confidence(logit, overlap)) == pytest.approx(total / 4)


def test_codes_count_by_smooth_l1():
    code, truth = made(2, 3, 7), made(3, 3, 7)
    error = (code - truth).abs()
    expected = torch.where(error < 1 / 9, 4.5 * error**2, error - 1 / 18).sum() / 3
    torch.testing.assert_close(refinement(code, truth), expected)


def test_corners_are_compared_one_by_one_whichever_end_is_in_front():
    boxes, truth = made_boxes(4, 6), made_boxes(8, 6)
    turned = truth.clone()
    turned[:, 6] += math.pi
    apart = np.minimum(
        *(np.linalg.norm(box_corners(boxes.numpy()) - box_corners(other.numpy()), axis=2) for other in (truth, turned))
    )
    expected = np.where(apart < 1, 0.5 * apart**2, apart - 0.5).mean()
    assert float(corners_apart(boxes, truth)) == pytest.approx(expected)
    assert float(corners_apart(turned, truth)) == pytest.approx(0, abs=1e-9)


def test_without_proposals_losses_are_zero_with_a_gradient_path():
    logit, code = torch.zeros(0, requires_grad=True), torch.zeros(0, 7, requires_grad=True)
    total = (
        confidence(logit, torch.zeros(0)) + refinement(code, torch.zeros(0, 7)) + corners_apart(code, torch.zeros(0, 7))
    )
    total.backward()
    assert total.item() == 0


def test_gradients_are_those_of_the_values_and_finite_where_a_box_is_right():
    truth = made_boxes(5, 3)
    torch.autograd.gradcheck(lambda x: corners_apart(x, truth), made_boxes(9, 3).requires_grad_())
    same = truth.clone().requires_grad_()
    corners_apart(same, truth).backward()
    assert bool(torch.isfinite(same.grad).all())
