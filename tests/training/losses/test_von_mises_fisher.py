"""The class model of OLIVINE: its normaliser, the consistency with it, and its running statistics."""

import math
import subprocess
import sys

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadLabels
from offline_training.losses.olivine import dirac_consistency, semantic_consistency
from offline_training.losses.von_mises_fisher import VmfStatistics, vmf_log_normaliser
from tests.training.losses.random_rows import unit_rows


def _exact_log_normaliser(kappa, dim):
    mpmath.mp.dps = 40
    order, x = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(kappa)
    return float(
        order * mpmath.log(x) - mpmath.mpf(dim) / 2 * mpmath.log(2 * mpmath.pi) - mpmath.log(mpmath.besseli(order, x))
    )


@settings(max_examples=60)
@given(st.floats(-3, 4).map(lambda power: 10.0**power), st.sampled_from([2, 3, 16, 64, 128, 384, 768]))
def test_the_normaliser_is_exact(kappa, dim):
    expected = _exact_log_normaliser(kappa, dim)
    value = float(vmf_log_normaliser(torch.tensor(kappa, dtype=torch.float64), dim))
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_slope_of_the_normaliser_is_that_of_finite_differences():
    kappa = torch.tensor([1e-3, 0.1, 3.0, 31.0, 200.0, 1e4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: vmf_log_normaliser(x, 64), kappa)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert float(torch.autograd.grad(vmf_log_normaliser(zero, 64).sum(), zero)[0]) == 0.0


def test_the_slope_of_the_normaliser_is_the_expected_length_of_the_mean():
    for kappa in (1e-3, 10.0, 60.0, 1e4):
        x = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(vmf_log_normaliser(x, 64), x)
        assert float(-slope) == pytest.approx(float(mpmath.besseli(32, kappa) / mpmath.besseli(31, kappa)), rel=1e-11)


@pytest.mark.parametrize("average_over", ["classes", "points"])
def test_the_consistency_equals_the_sum_written_out(average_over):
    feature, label = unit_rows(11, 8), torch.tensor([0, 0, 0, 0, 1, 1, 2, 255, 3, 3, 0])
    direction, kappa = unit_rows(4, 8, seed=5), torch.tensor([3.0, 10.0, 40.0, 7.0], dtype=torch.float64)
    seen = torch.tensor([True, True, True, False])
    per_point = {
        i: -_exact_log_normaliser(float(kappa[c]), 8) - float(kappa[c] * (direction[c] @ feature[i]))
        for i, c in enumerate(label.tolist())
        if c not in (3, 255)
    }
    if average_over == "points":
        expected = sum(per_point.values()) / len(per_point)
    else:
        groups = [[value for i, value in per_point.items() if label[i] == c] for c in (0, 1, 2)]
        expected = sum(sum(group) / len(group) for group in groups) / 3
    value = semantic_consistency(feature, label, direction, kappa, seen, average_over)
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_the_gradient_of_the_consistency_is_kappa_times_the_direction():
    feature, label = unit_rows(6, 4).requires_grad_(), torch.tensor([0, 0, 0, 1, 1, 255])
    direction, kappa = unit_rows(2, 4, seed=2), torch.tensor([2.0, 30.0], dtype=torch.float64)
    semantic_consistency(feature, label, direction, kappa, torch.ones(2, dtype=torch.bool)).backward()
    weight = torch.tensor([2.0 / 3, 2.0 / 3, 2.0 / 3, 15.0, 15.0, 0.0], dtype=torch.float64) / 2
    torch.testing.assert_close(feature.grad, -weight[:, None] * direction[torch.tensor([0, 0, 0, 1, 1, 0])])


def test_a_point_on_its_class_direction_has_no_dirac_loss():
    direction, label = unit_rows(3, 5), torch.tensor([0, 1, 2, 2])
    seen = torch.ones(3, dtype=torch.bool)
    assert float(dirac_consistency(direction[label], label, direction, seen)) == pytest.approx(0.0, abs=1e-12)
    assert float(dirac_consistency(-direction[label], label, direction, seen, "points")) == pytest.approx(2.0)


def test_the_moving_average_follows_the_batch_means_of_the_classes_present():
    statistics = VmfStatistics(3, 4, decay=0.1, freeze_after_step=5)
    feature, label = unit_rows(10, 4).float(), torch.tensor([0] * 6 + [2] * 3 + [255])
    statistics.update(feature, label, step=1)
    torch.testing.assert_close(statistics.mean_feature[0], 0.1 * feature[:6].mean(0))
    torch.testing.assert_close(statistics.mean_feature[2], 0.1 * feature[6:9].mean(0))
    assert statistics.seen().tolist() == [True, False, True]
    statistics.update(feature[:6], label[:6], step=2)
    torch.testing.assert_close(statistics.mean_feature[0], 0.19 * feature[:6].mean(0))
    torch.testing.assert_close(statistics.mean_feature[2], 0.1 * feature[6:9].mean(0))  # absent: stands still


def test_after_the_freeze_step_nothing_moves():
    statistics = VmfStatistics(2, 4, freeze_after_step=5)
    statistics.update(unit_rows(4, 4).float(), torch.tensor([0, 0, 1, 1]), step=5)
    before = statistics.mean_feature.clone()
    assert not statistics.is_frozen(5)
    assert statistics.is_frozen(6)
    statistics.update(unit_rows(4, 4, seed=3).float(), torch.tensor([0, 0, 1, 1]), step=6)
    torch.testing.assert_close(statistics.mean_feature, before)


def test_an_unseen_class_has_no_direction_and_is_safe_in_the_loss():
    statistics = VmfStatistics(3, 4, bias_correction=True)
    statistics.update(unit_rows(4, 4).float(), torch.tensor([0, 0, 1, 1]), step=1)
    assert bool(statistics.mean_direction().isfinite().all())
    assert float(statistics.kappa()[2]) == 0.0
    feature = unit_rows(3, 4).float().requires_grad_()
    model = (statistics.mean_direction(), statistics.kappa(), statistics.seen())
    value = semantic_consistency(feature, torch.full((3,), 2), *model)
    value.backward()
    assert float(value.detach()) == 0.0
    assert bool((feature.grad == 0).all())


def test_identical_features_give_a_large_but_finite_concentration():
    statistics = VmfStatistics(1, 4, bias_correction=True)
    feature = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(8, 4)
    statistics.update(feature, torch.zeros(8, dtype=torch.int64), step=0)
    assert float(statistics.kappa()) == 1e4
    value = semantic_consistency(
        feature, torch.zeros(8, dtype=torch.int64), statistics.mean_direction(), statistics.kappa(), statistics.seen()
    )
    assert math.isfinite(float(value))


def test_statistics_travel_in_the_state_and_leave_features_that_are_not_numbers_out():
    statistics = VmfStatistics(2, 4)
    feature = unit_rows(4, 4).float()
    feature[1, 0] = torch.nan
    statistics.update(feature, torch.tensor([0, 0, 1, 1]), step=1)
    torch.testing.assert_close(statistics.mean_feature[0], 1e-4 * feature[0])
    other = VmfStatistics(2, 4)
    other.load_state_dict(statistics.state_dict())
    torch.testing.assert_close(other.kappa(), statistics.kappa())
    assert not list(statistics.parameters())


ONE_RANK = """
import sys, torch
from torch import distributed
from offline_training.losses.von_mises_fisher import VmfStatistics
rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
feature, label = torch.load(f"{folder}/batch.pt", weights_only=True)
share = slice(0, 30) if rank == 0 else slice(30, 100)
for averaged in (False, True):
    statistics = VmfStatistics(4, 8, decay=0.1, average_over_ranks=averaged)
    for step in range(3):
        statistics.update(feature[step, share], label[step, share], step)
    torch.save(dict(statistics.named_buffers()), f"{folder}/{rank}_{averaged}.pt")
distributed.barrier()  # whoever leaves while the other still speaks lets gloo's threads abort the process
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_gather_the_statistics_of_one_with_the_joined_batch_or_the_originals_mean_of_theirs(tmp_path):
    feature = unit_rows(3, 100, 8).float()
    label = torch.randint(0, 3, (3, 100), generator=torch.Generator().manual_seed(0))  # class 3 is nowhere
    label[:, :30][label[:, :30] == 2] = 255  # class 2 only in the second process
    torch.save((feature, label), tmp_path / "batch.pt")
    command = [sys.executable, "-c", ONE_RANK]
    ranks = [subprocess.Popen([*command, str(rank), str(tmp_path)]) for rank in (0, 1)]
    assert [rank.wait(timeout=100) for rank in ranks] == [0, 0]
    joined = VmfStatistics(4, 8, decay=0.1)
    for step in range(3):
        joined.update(feature[step], label[step], step)
    averaged, weight = averaged_over_ranks(feature, label, [slice(0, 30), slice(30, 100)], 0.1)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}_False.pt", weights_only=True)
        torch.testing.assert_close(found["mean_feature"], joined.mean_feature)
        found = torch.load(tmp_path / f"{rank}_True.pt", weights_only=True)
        torch.testing.assert_close(found["mean_feature"], averaged)
        torch.testing.assert_close(found["gathered_weight"], weight)
    assert float(averaged[2].norm()) < 0.7 * float(joined.mean_feature[2].norm())  # what half of the ranks see


def averaged_over_ranks(
    feature: torch.Tensor, label: torch.Tensor, shares: list[slice], decay: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """As the original: class by class, a rank without the class keeps what it has, then the mean over ranks."""
    average, weight = torch.zeros(4, feature.shape[2]), torch.zeros(4)
    for step in range(len(feature)):
        for c in range(4):
            of_ranks, weights = [], []
            for share in shares:
                mine, present = feature[step, share][label[step, share] == c], bool((label[step, share] == c).any())
                of_ranks.append((1 - decay) * average[c] + decay * mine.mean(0) if present else average[c])
                weights.append((1 - decay) * weight[c] + decay if present else weight[c])
            average[c], weight[c] = torch.stack(of_ranks).mean(0), torch.stack(weights).mean()
    return average, weight


def test_alone_a_process_has_its_own_average_either_way():
    feature, label = unit_rows(50, 8).float(), torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(1))
    alone, averaged = (VmfStatistics(4, 8, decay=0.1, average_over_ranks=each) for each in (False, True))
    for statistics in (alone, averaged):
        statistics.update(feature, label, step=0)
    assert torch.equal(alone.mean_feature, averaged.mean_feature)


@pytest.mark.parametrize("label", [-1, 2, 254])
def test_a_label_that_is_no_class_is_refused(label):
    with pytest.raises(BadLabels, match=r"expected labels 0\.\.1 or 255"):
        VmfStatistics(2, 4).update(unit_rows(1, 4), torch.tensor([label]), step=1)
