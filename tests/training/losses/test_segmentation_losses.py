"""Losses against slow formulas, finite differences, and edge cases without a NaN."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.losses.segmentation import cross_entropy, lovasz_softmax

LOSSES = [cross_entropy, lovasz_softmax]


def jaccard_loss_of_mistakes(mistakes: set[int], is_class: np.ndarray) -> float:
    """1 - |intersection| / |union| when exactly the points in `mistakes` are wrong."""
    truth = set(np.flatnonzero(is_class).tolist())
    return len(mistakes) / len(truth | mistakes) if truth | mistakes else 0.0


def slow_lovasz_softmax(logits: np.ndarray, class_id: np.ndarray) -> float:
    """The definition: sort the errors, sum each times what its mistake adds to the Jaccard loss."""
    known = class_id != 255
    logits, class_id = logits[known], class_id[known]
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = []
    for one_class in np.unique(class_id):
        is_class = class_id == one_class
        error = np.where(is_class, 1 - probability[:, one_class], probability[:, one_class])
        order = np.argsort(-error, kind="stable")
        steps = [jaccard_loss_of_mistakes(set(order[: i + 1].tolist()), is_class) for i in range(len(order))]
        losses.append(float(np.sum(error[order] * np.diff([0.0, *steps]))))
    return float(np.mean(losses))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 5))
def test_lovasz_softmax_is_its_definition(seed, count, classes):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes))
    class_id = rng.choice([*range(classes), 255], count)
    if (class_id == 255).all():
        return
    found = lovasz_softmax(torch.from_numpy(logits), torch.from_numpy(class_id))
    assert float(found) == pytest.approx(slow_lovasz_softmax(logits, class_id), abs=1e-6)


def test_lovasz_softmax_of_hard_answers_is_one_minus_the_mean_iou():
    truth = torch.tensor([0, 0, 0, 1, 1, 2])
    answer = torch.tensor([0, 0, 1, 1, 0, 2])
    iou = [2 / 4, 1 / 3, 1.0]
    logits = torch.nn.functional.one_hot(answer, 3) * 1000.0
    assert float(lovasz_softmax(logits, truth)) == pytest.approx(1 - np.mean(iou), abs=1e-6)


def test_cross_entropy_is_the_weighted_mean_of_minus_log_probability():
    logits = torch.randn(6, 3, dtype=torch.float64)
    truth, weight = torch.tensor([0, 1, 2, 255, 1, 0]), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    log_probability = logits.log_softmax(dim=1)
    rows = [0, 1, 2, 4, 5]
    terms = [-log_probability[row, truth[row]] * weight[truth[row]] for row in rows]
    expected = sum(terms) / weight[truth[rows]].sum()
    torch.testing.assert_close(cross_entropy(logits, truth, weight), expected)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    logits = torch.randn(12, 4, dtype=torch.float64, requires_grad=True)
    truth = torch.randint(0, 4, (12,))
    truth[3] = 255
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, truth), logits)
    # Float32 inside: a wider step, and a tolerance to fit.
    assert torch.autograd.gradcheck(lambda x: lovasz_softmax(x, truth).double(), logits, eps=1e-3, atol=1e-3, rtol=1e-2)


EDGE_CASES = {
    "no voxel": (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
    "one voxel": (torch.zeros(1, 3), torch.tensor([1])),
    "one ignored voxel": (torch.zeros(1, 3), torch.tensor([255])),
    "all ignored": (torch.zeros(9, 3), torch.full((9,), 255)),
    "one class": (torch.zeros(9, 3), torch.full((9,), 2)),
    "one class, surely right": (torch.tensor([[0.0, 0.0, 1e4]] * 9), torch.full((9,), 2)),
    "surely wrong": (torch.tensor([[1e4, 0.0, 0.0]] * 9), torch.full((9,), 2)),
}


@pytest.mark.parametrize(("loss", "case"), list(itertools.product(LOSSES, EDGE_CASES)))
def test_an_odd_batch_gives_a_finite_loss_with_a_gradient_path(loss, case):
    logits, class_id = EDGE_CASES[case]
    logits = logits.clone().requires_grad_()
    value = loss(logits, class_id)
    value.backward()
    assert bool(torch.isfinite(value))
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
    if bool((class_id == 255).all()):
        assert float(value.detach()) == 0.0


@pytest.mark.parametrize("loss", LOSSES)
def test_the_order_of_the_voxels_does_not_matter(loss):
    logits, truth = torch.randn(50, 4), torch.randint(0, 4, (50,))
    order = torch.randperm(50)
    torch.testing.assert_close(loss(logits, truth), loss(logits[order], truth[order]))


@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_voxels_change_nothing(loss):
    logits, truth = torch.randn(50, 4), torch.randint(0, 4, (50,))
    more = torch.cat([logits, torch.randn(7, 4)]), torch.cat([truth, torch.full((7,), 255)])
    torch.testing.assert_close(loss(*more), loss(logits, truth))
