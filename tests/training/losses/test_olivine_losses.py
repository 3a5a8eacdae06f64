"""The losses of OLIVINE: values worked out by hand, gradients, laws, and batches that are nearly nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.olivine import dirac_consistency, semantic_consistency, weakly_supervised_contrastive
from tests.training.losses.random_rows import unit_rows

POINT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
PIXEL = torch.tensor([[0.8, 0.6], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
LABEL = torch.tensor([0, 1, 0])


def test_the_contrastive_losses_have_the_published_check_values():
    code = weakly_supervised_contrastive(POINT, PIXEL, LABEL, average_over_positives=False)
    paper = weakly_supervised_contrastive(POINT, PIXEL, LABEL)
    assert float(code) == pytest.approx(0.033204595, abs=5e-10)
    assert float(paper) == pytest.approx(0.495302716, abs=5e-10)
    assert float(paired_info_nce(POINT, PIXEL)) == pytest.approx(2.720427228, abs=5e-10)


def _slow_supervised(point, pixel, label, temperature):
    kept = [i for i in range(len(label)) if label[i] != 255]
    total = 0.0
    for i in kept:
        term = {j: math.exp(float(point[i] @ pixel[j]) / temperature) for j in kept}
        alike = [j for j in kept if label[j] == label[i]]
        total -= math.log(sum(term[j] for j in alike) / len(alike) / sum(term.values()))
    return total / len(kept)


def test_the_supervised_loss_equals_the_sum_written_out():
    point, pixel, label = unit_rows(20, 6), unit_rows(20, 6, seed=1), torch.randint(0, 4, (20,))
    label[[3, 9]] = 255
    value = weakly_supervised_contrastive(point, pixel, label, 0.3)
    assert float(value) == pytest.approx(_slow_supervised(point, pixel, label.tolist(), 0.3), rel=1e-12)


@pytest.mark.slow
@given(st.permutations(range(12)), st.integers(0, 1000))
def test_the_order_of_the_pairs_does_not_matter(order, seed):
    point, pixel = unit_rows(12, 5, seed=seed), unit_rows(12, 5, seed=seed + 1)
    label = torch.randint(0, 3, (12,), generator=torch.Generator().manual_seed(seed))
    for loss in (lambda *a: paired_info_nce(*a[:2]), weakly_supervised_contrastive):
        torch.testing.assert_close(loss(point[order], pixel[order], label[order]), loss(point, pixel, label))


@given(st.floats(0.1, 10.0), st.floats(0.02, 2.0))
def test_only_the_ratio_of_product_and_temperature_counts(scale, temperature):
    point, pixel, label = unit_rows(9, 4), unit_rows(9, 4, seed=1), torch.arange(9) % 3
    torch.testing.assert_close(
        weakly_supervised_contrastive(point * scale, pixel, label, temperature * scale),
        weakly_supervised_contrastive(point, pixel, label, temperature),
    )
    torch.testing.assert_close(
        paired_info_nce(point * scale, pixel, temperature * scale), paired_info_nce(point, pixel, temperature)
    )


def test_one_class_leaves_nothing_to_tell_apart():
    point, pixel, label = unit_rows(30, 8), unit_rows(30, 8, seed=1), torch.full((30,), 4)
    assert float(weakly_supervised_contrastive(point, pixel, label, average_over_positives=False)) == pytest.approx(
        0.0, abs=1e-12
    )
    assert float(weakly_supervised_contrastive(point, pixel, label)) == pytest.approx(math.log(30))


def test_with_a_class_of_its_own_for_each_pair_the_supervised_loss_is_the_paired_one():
    point, pixel = unit_rows(15, 8), unit_rows(15, 8, seed=1)
    torch.testing.assert_close(
        weakly_supervised_contrastive(point, pixel, torch.arange(15)), paired_info_nce(point, pixel)
    )


def test_the_average_over_positives_changes_no_gradient():
    gradients = []
    for averaged in (True, False):
        point = unit_rows(12, 4).requires_grad_()
        weakly_supervised_contrastive(
            point, unit_rows(12, 4, seed=1), torch.arange(12) % 3, average_over_positives=averaged
        ).backward()
        gradients.append(point.grad)
    torch.testing.assert_close(*gradients)


def test_pairs_without_a_class_change_nothing():
    point, pixel, label = unit_rows(20, 6), unit_rows(20, 6, seed=1), torch.arange(20) % 4
    more = [torch.cat([a, unit_rows(5, 6, seed=7)]) for a in (point, pixel)]
    with_none = torch.cat([label, torch.full((5,), 255)])
    torch.testing.assert_close(
        weakly_supervised_contrastive(*more, with_none), weakly_supervised_contrastive(point, pixel, label)
    )
    model = (
        unit_rows(4, 6, seed=3),
        torch.tensor([1.0, 5.0, 20.0, 60.0], dtype=torch.float64),
        torch.ones(4, dtype=torch.bool),
    )
    torch.testing.assert_close(
        semantic_consistency(more[0], with_none, *model), semantic_consistency(point, label, *model)
    )


def test_low_temperatures_do_not_overflow():
    value = weakly_supervised_contrastive(
        unit_rows(50, 8).float(), unit_rows(50, 8, seed=1).float(), torch.arange(50) % 5, 1e-4
    )
    assert math.isfinite(float(value))


MODEL = (unit_rows(3, 4).float(), torch.tensor([5.0, 0.0, 20.0]), torch.tensor([True, False, True]))
LOSSES = {
    "paired": lambda point, pixel, label: paired_info_nce(point, pixel),
    "supervised, paper": weakly_supervised_contrastive,
    "supervised, code": lambda *a: weakly_supervised_contrastive(*a, average_over_positives=False),
    "consistency, classes": lambda point, pixel, label: semantic_consistency(point, label, *MODEL),
    "consistency, points": lambda point, pixel, label: semantic_consistency(point, label, *MODEL, "points"),
    "dirac": lambda point, pixel, label: dirac_consistency(point, label, MODEL[0], MODEL[2]),
}
EDGE_BATCHES = {
    "no pair": (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
    "one pair": (unit_rows(1, 4).float(), torch.tensor([2])),
    "one pair without a class": (unit_rows(1, 4).float(), torch.tensor([255])),
    "one class": (unit_rows(9, 4).float(), torch.full((9,), 2)),
    "no class at all": (unit_rows(9, 4).float(), torch.full((9,), 255)),
    "only an unseen class": (unit_rows(9, 4).float(), torch.full((9,), 1)),
    "zero features": (torch.zeros(9, 4), torch.arange(9) % 3),
    "half precision": (unit_rows(9, 4).half(), torch.arange(9) % 3),
}


@pytest.mark.parametrize("case", EDGE_BATCHES)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_odd_batch_gives_a_finite_loss_with_a_finite_gradient(loss, case):
    feature, label = EDGE_BATCHES[case]
    point, pixel = feature.clone().requires_grad_(), feature.clone().requires_grad_()
    value = LOSSES[loss](point, pixel, label)
    value.backward()
    assert value.shape == ()
    assert bool(value.isfinite())
    assert point.grad is not None
    assert bool(point.grad.isfinite().all())
    assert pixel.grad is None or bool(pixel.grad.isfinite().all())


def test_gradients_are_those_of_finite_differences():
    label = torch.tensor([0, 2, 1, 255, 2, 0, 0])
    point, pixel = unit_rows(7, 4).requires_grad_(), unit_rows(7, 4, seed=1).requires_grad_()
    model = (MODEL[0].double(), MODEL[1].double(), MODEL[2])
    assert torch.autograd.gradcheck(paired_info_nce, (point, pixel))
    for averaged in (True, False):
        assert torch.autograd.gradcheck(
            lambda p, q, a=averaged: weakly_supervised_contrastive(p, q, label, 0.07, a), (point, pixel)
        )
    for average_over in ("classes", "points"):
        assert torch.autograd.gradcheck(lambda p, a=average_over: semantic_consistency(p, label, *model, a), point)
        assert torch.autograd.gradcheck(
            lambda p, a=average_over: dirac_consistency(p, label, model[0], model[2], a), point
        )


@pytest.mark.parametrize("temperature", [0.07, 5e-4])  # the exponential of the second's similarities is infinite
def test_a_loss_walked_in_pieces_equals_the_whole_matrix_in_value_and_gradient(temperature):
    count, label = 1300, torch.randint(0, 5, (1300,), generator=torch.Generator().manual_seed(0))  # pieces of 806 rows
    point, pixel = unit_rows(count, 8).requires_grad_(), unit_rows(count, 8, seed=1).requires_grad_()
    logits = point @ pixel.T / temperature
    positives = logits.masked_fill(label[:, None] != label[None, :], -torch.inf).logsumexp(1)
    whole = (functional.cross_entropy(logits, torch.arange(count)), (logits.logsumexp(1) - positives).mean())
    pieces = (
        paired_info_nce(point, pixel, temperature),
        weakly_supervised_contrastive(point, pixel, label, temperature, average_over_positives=False),
    )
    for one, other in zip(pieces, whole, strict=True):
        torch.testing.assert_close(one, other)
        gradients = [torch.autograd.grad(3.0 * loss, (point, pixel), retain_graph=True) for loss in (one, other)]
        torch.testing.assert_close(*gradients)


def test_points_may_share_rows_of_the_features():
    feature, row, label = unit_rows(6, 4), torch.tensor([5, 0, 0, 2, 5, 1, 3]), torch.tensor([0, 2, 0, 255, 1, 2, 2])
    model = (MODEL[0].double(), MODEL[1].double(), MODEL[2])
    for loss in (
        lambda f, r: semantic_consistency(f, label, *model, row=r),
        lambda f, r: dirac_consistency(f, label, model[0], model[2], row=r),
    ):
        of_rows, of_points = feature.clone().requires_grad_(), feature.clone().requires_grad_()
        values = loss(of_rows, row), loss(of_points[row], None)
        torch.testing.assert_close(*values)
        torch.testing.assert_close(
            torch.autograd.grad(values[0], of_rows)[0], torch.autograd.grad(values[1], of_points)[0]
        )
