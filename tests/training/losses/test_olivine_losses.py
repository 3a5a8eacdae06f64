"""The losses of OLIVINE: values worked out by hand, gradients, laws, and batches that are nearly nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.olivine import dirac_consistency, semantic_consistency, weakly_supervised_contrastive
from offline_training.losses.von_mises_fisher import VmfStatistics, vmf_log_normaliser

POINT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
PIXEL = torch.tensor([[0.8, 0.6], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
LABEL = torch.tensor([0, 1, 0])


def _unit(*shape, seed=0, dtype=torch.float64):
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)


def test_the_contrastive_losses_have_the_published_check_values():
    code = weakly_supervised_contrastive(POINT, PIXEL, LABEL, average_over_positives=False)
    paper = weakly_supervised_contrastive(POINT, PIXEL, LABEL)
    assert float(code) == pytest.approx(0.033204595, abs=5e-10)
    assert float(paper) == pytest.approx(0.495302716, abs=5e-10)
    assert float(paired_info_nce(POINT, PIXEL)) == pytest.approx(2.720427228, abs=5e-10)


GOLDEN_NORMALISERS = {10.0: 39.9954, 20.0: 37.7751, 40.0: 29.9208, 60.0: 18.9796}
GOLDEN_OF_THE_ORIGINAL = {
    10.0: 4.6251,
    20.0: 16.4660,
    40.0: 18.3034,
    60.0: 11.0766,
}  # its Bessel function is of order 0
GOLDEN_BESSEL = {10.0: -27.4274, 20.0: -3.7195, 40.0: 25.6224, 60.0: 49.1330}


@pytest.mark.parametrize("kappa", GOLDEN_NORMALISERS)
def test_the_normaliser_has_the_published_values(kappa):
    value = float(vmf_log_normaliser(torch.tensor(kappa, dtype=torch.float64), 64))
    log_bessel = 31 * math.log(kappa) - 32 * math.log(2 * math.pi) - value
    log_bessel_0 = float(torch.special.i0e(torch.tensor(kappa, dtype=torch.float64)).log()) + kappa
    assert value == pytest.approx(GOLDEN_NORMALISERS[kappa], abs=5e-5)
    assert log_bessel == pytest.approx(GOLDEN_BESSEL[kappa], abs=5e-5)
    assert value + log_bessel - log_bessel_0 == pytest.approx(GOLDEN_OF_THE_ORIGINAL[kappa], abs=5e-5)


def test_the_normaliser_tends_to_one_over_the_area_of_the_sphere():
    area = 2 * math.pi**32 / math.gamma(32)
    assert float(vmf_log_normaliser(torch.zeros((), dtype=torch.float64), 64)) == pytest.approx(
        -math.log(area), abs=1e-12
    )
    assert -math.log(area) == pytest.approx(40.7677, abs=5e-5)


GOLDEN_KAPPAS = {0.3: 21.069, 0.6: 59.662, 0.9: 299.321}
SHRUNK_KAPPAS = {0.5: (42.5, 22.4), 0.7: (87.2, 35.1), 0.8: (140.8, 43.3), 0.9: (299.3, 53.6), 0.95: (614.8, 59.8)}


@pytest.mark.parametrize("length", GOLDEN_KAPPAS)
def test_the_concentration_has_the_published_values(length):
    statistics = VmfStatistics(1, 64)
    statistics.mean_feature[0, 3] = length
    assert float(statistics.kappa()) == pytest.approx(GOLDEN_KAPPAS[length], abs=6e-4)


@pytest.mark.parametrize("length", SHRUNK_KAPPAS)
def test_without_bias_correction_kappa_is_as_small_as_the_originals_and_with_it_true(length):
    for corrected, expected in zip((True, False), SHRUNK_KAPPAS[length], strict=True):
        statistics = VmfStatistics(1, 64, bias_correction=corrected)
        gathered = 1 - (1 - 1e-4) ** 10000
        statistics.mean_feature[0, 5], statistics.gathered_weight[0] = length * gathered, gathered
        assert float(statistics.kappa()) == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize("corrected", [True, False])
def test_bias_correction_divides_by_the_weight_gathered_so_far(corrected):
    statistics = VmfStatistics(2, 64, decay=0.01, bias_correction=corrected)
    feature = torch.zeros(1, 64)
    feature[0, 5] = 0.6
    for step in range(30):
        statistics.update(feature, torch.zeros(1, dtype=torch.int64), step)
    length = 0.6 if corrected else 0.6 * (1 - 0.99**30)
    assert float(statistics.kappa()[0]) == pytest.approx(length * (64 - length**2) / (1 - length**2), rel=1e-4)
    assert float(statistics.kappa()[1]) == 0.0


def _slow_supervised(point, pixel, label, temperature):
    kept = [i for i in range(len(label)) if label[i] != 255]
    total = 0.0
    for i in kept:
        term = {j: math.exp(float(point[i] @ pixel[j]) / temperature) for j in kept}
        alike = [j for j in kept if label[j] == label[i]]
        total -= math.log(sum(term[j] for j in alike) / len(alike) / sum(term.values()))
    return total / len(kept)


def test_the_supervised_loss_equals_the_sum_written_out():
    point, pixel, label = _unit(20, 6), _unit(20, 6, seed=1), torch.randint(0, 4, (20,))
    label[[3, 9]] = 255
    value = weakly_supervised_contrastive(point, pixel, label, 0.3)
    assert float(value) == pytest.approx(_slow_supervised(point, pixel, label.tolist(), 0.3), rel=1e-12)


@pytest.mark.slow
@given(st.permutations(range(12)), st.integers(0, 1000))
def test_the_order_of_the_pairs_does_not_matter(order, seed):
    point, pixel = _unit(12, 5, seed=seed), _unit(12, 5, seed=seed + 1)
    label = torch.randint(0, 3, (12,), generator=torch.Generator().manual_seed(seed))
    for loss in (lambda *a: paired_info_nce(*a[:2]), weakly_supervised_contrastive):
        torch.testing.assert_close(loss(point[order], pixel[order], label[order]), loss(point, pixel, label))


@given(st.floats(0.1, 10.0), st.floats(0.02, 2.0))
def test_only_the_ratio_of_product_and_temperature_counts(scale, temperature):
    point, pixel, label = _unit(9, 4), _unit(9, 4, seed=1), torch.arange(9) % 3
    torch.testing.assert_close(
        weakly_supervised_contrastive(point * scale, pixel, label, temperature * scale),
        weakly_supervised_contrastive(point, pixel, label, temperature),
    )
    torch.testing.assert_close(
        paired_info_nce(point * scale, pixel, temperature * scale), paired_info_nce(point, pixel, temperature)
    )


def test_one_class_leaves_nothing_to_tell_apart():
    point, pixel, label = _unit(30, 8), _unit(30, 8, seed=1), torch.full((30,), 4)
    assert float(weakly_supervised_contrastive(point, pixel, label, average_over_positives=False)) == pytest.approx(
        0.0, abs=1e-12
    )
    assert float(weakly_supervised_contrastive(point, pixel, label)) == pytest.approx(math.log(30))


def test_with_a_class_of_its_own_for_each_pair_the_supervised_loss_is_the_paired_one():
    point, pixel = _unit(15, 8), _unit(15, 8, seed=1)
    torch.testing.assert_close(
        weakly_supervised_contrastive(point, pixel, torch.arange(15)), paired_info_nce(point, pixel)
    )


def test_the_average_over_positives_changes_no_gradient():
    gradients = []
    for averaged in (True, False):
        point = _unit(12, 4).requires_grad_()
        weakly_supervised_contrastive(
            point, _unit(12, 4, seed=1), torch.arange(12) % 3, average_over_positives=averaged
        ).backward()
        gradients.append(point.grad)
    torch.testing.assert_close(*gradients)


def test_pairs_without_a_class_change_nothing():
    point, pixel, label = _unit(20, 6), _unit(20, 6, seed=1), torch.arange(20) % 4
    more = [torch.cat([a, _unit(5, 6, seed=7)]) for a in (point, pixel)]
    with_none = torch.cat([label, torch.full((5,), 255)])
    torch.testing.assert_close(
        weakly_supervised_contrastive(*more, with_none), weakly_supervised_contrastive(point, pixel, label)
    )
    model = (
        _unit(4, 6, seed=3),
        torch.tensor([1.0, 5.0, 20.0, 60.0], dtype=torch.float64),
        torch.ones(4, dtype=torch.bool),
    )
    torch.testing.assert_close(
        semantic_consistency(more[0], with_none, *model), semantic_consistency(point, label, *model)
    )


def test_low_temperatures_do_not_overflow():
    value = weakly_supervised_contrastive(
        _unit(50, 8).float(), _unit(50, 8, seed=1).float(), torch.arange(50) % 5, 1e-4
    )
    assert math.isfinite(float(value))


MODEL = (_unit(3, 4).float(), torch.tensor([5.0, 0.0, 20.0]), torch.tensor([True, False, True]))
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
    "one pair": (_unit(1, 4).float(), torch.tensor([2])),
    "one pair without a class": (_unit(1, 4).float(), torch.tensor([255])),
    "one class": (_unit(9, 4).float(), torch.full((9,), 2)),
    "no class at all": (_unit(9, 4).float(), torch.full((9,), 255)),
    "only an unseen class": (_unit(9, 4).float(), torch.full((9,), 1)),
    "zero features": (torch.zeros(9, 4), torch.arange(9) % 3),
    "half precision": (_unit(9, 4).half(), torch.arange(9) % 3),
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
    point, pixel = _unit(7, 4).requires_grad_(), _unit(7, 4, seed=1).requires_grad_()
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
    point, pixel = _unit(count, 8).requires_grad_(), _unit(count, 8, seed=1).requires_grad_()
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
    feature, row, label = _unit(6, 4), torch.tensor([5, 0, 0, 2, 5, 1, 3]), torch.tensor([0, 2, 0, 255, 1, 2, 2])
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
