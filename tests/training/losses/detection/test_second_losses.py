"""SECOND's losses: against sums written out, their laws, and scans without boxes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.losses.detection.focal import sigmoid_focal
from offline_training.losses.detection.second import BACKGROUND, IGNORED, classification, direction, localisation
from tests.training.losses.detection.random_tensors import made

COLUMN = torch.tensor([[0, BACKGROUND, 1, IGNORED, BACKGROUND], [BACKGROUND, IGNORED, IGNORED, 2, BACKGROUND]])


def slow_focal(logit: float, truth: int) -> float:
    p = 1 / (1 + math.exp(-logit))
    p_t, weight = (p, 0.25) if truth else (1 - p, 0.75)
    return -weight * (1 - p_t) ** 2 * math.log(p_t)


def test_focal_loss_is_the_paper_s():
    logit = made(0, 6, 3)
    truth = (made(1, 6, 3) > 0).double()
    expected = [
        [slow_focal(x, t) for x, t in zip(*rows, strict=True)]
        for rows in zip(logit.tolist(), truth.tolist(), strict=True)
    ]
    torch.testing.assert_close(sigmoid_focal(logit, truth), torch.tensor(expected, dtype=torch.float64))
    assert sigmoid_focal(logit.half(), truth.half()).dtype == torch.float32


def test_classes_are_summed_over_anchors_that_count_per_positive_and_scan():
    logit = made(2, 2, 5, 3)
    total = 0.0
    for scan, positives in ((0, 2), (1, 1)):
        for anchor, column in enumerate(COLUMN[scan].tolist()):
            if column != IGNORED:
                total += sum(slow_focal(float(logit[scan, anchor, k]), k == column) for k in range(3)) / positives
    assert float(classification(logit, COLUMN)) == pytest.approx(total / 2)


def test_codes_of_positive_anchors_count_by_smooth_l1_and_the_sine_of_the_yaw():
    code, truth = made(3, 2, 5, 7), made(4, 2, 5, 7)
    total = 0.0
    for scan, anchor, positives in ((0, 0, 2), (0, 2, 2), (1, 3, 1)):
        for number in range(7):
            error = float(code[scan, anchor, number] - truth[scan, anchor, number])
            error = abs(math.sin(error) if number == 6 else error)
            total += (4.5 * error**2 if error < 1 / 9 else error - 1 / 18) / positives
    assert float(localisation(code, truth, COLUMN)) == pytest.approx(total / 2)


def test_directions_of_positive_anchors_count_by_cross_entropy():
    logit, truth = made(5, 2, 5, 2).float(), torch.tensor([[1, 0, 0, 1, 1], [0, 0, 0, 1, 0]])
    log_p = logit.log_softmax(dim=2)
    expected = -(log_p[0, 0, 1] / 2 + log_p[0, 2, 0] / 2 + log_p[1, 3, 1]) / 2
    torch.testing.assert_close(direction(logit, truth, COLUMN), expected)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_half_a_turn_of_the_yaw_costs_nothing_in_the_box_loss(seed):
    truth = made(seed, 1, 4, 7)
    column = torch.tensor([[0, 1, 2, BACKGROUND]])
    turned = truth.clone()
    turned[..., 6] += math.pi
    assert float(localisation(turned, truth, column)) == pytest.approx(0.0, abs=1e-12)


def test_without_boxes_only_the_scores_cost_and_gradients_have_a_path():
    column = torch.full((2, 3), BACKGROUND)
    code, logit = made(0, 2, 3, 7).requires_grad_(), made(1, 2, 3, 2).requires_grad_()
    box, turn = localisation(code, torch.zeros(2, 3, 7), column), direction(logit, torch.zeros(2, 3).long(), column)
    (box + turn).backward()
    assert box.item() == turn.item() == 0.0
    assert bool((code.grad == 0).all())
    assert float(classification(made(2, 2, 3, 4), column)) > 0


def test_gradients_are_those_of_the_values():
    truth = made(9, 2, 5, 7)
    torch.autograd.gradcheck(lambda x: classification(x, COLUMN), made(6, 2, 5, 3).requires_grad_())
    torch.autograd.gradcheck(lambda x: localisation(x, truth, COLUMN), made(7, 2, 5, 7).requires_grad_())


@given(st.permutations(range(5)))
def test_the_order_of_the_anchors_does_not_matter(order):
    logit, code, truth = made(0, 2, 5, 3), made(1, 2, 5, 7), made(2, 2, 5, 7)
    torch.testing.assert_close(classification(logit[:, order], COLUMN[:, order]), classification(logit, COLUMN))
    torch.testing.assert_close(
        localisation(code[:, order], truth[:, order], COLUMN[:, order]), localisation(code, truth, COLUMN)
    )
