"""Density- and category-aware weights, and the draw without replacement."""

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.losses.pair_sampling import density_and_category_weights, draw_pairs

# An example of the sampling weights, worked out by hand.
DISTANCE = torch.tensor([10.0, 10.0, 10.0, 20.0, 40.0])
LABEL = torch.tensor([1, 1, 2, 2, 3])


def _naive_weights(distance, label):
    """1 / (f_h(d_i) |A(i)|) with the sum over all pairs written out (eq. 12, 13). distance: (P,) float64."""
    n = len(distance)
    h = 1.06 * distance.std(unbiased=True) * n**-0.2
    places, of_pair = distance.unique(return_inverse=True)
    sums = [
        torch.exp(-0.5 * ((place - distance) / h) ** 2).sum() for place in places
    ]  # U times n: as slow as it is plain
    density = torch.stack(sums) / (n * h * math.sqrt(2 * math.pi))
    count = torch.tensor([int((label == one).sum()) for one in range(int(label.max()) + 1)])
    return 1.0 / (density[of_pair] * count[label])


@pytest.mark.parametrize("bin_m", [None, 0.1, 1.0])
def test_the_weights_of_the_worked_example(bin_m):
    weight = density_and_category_weights(DISTANCE, LABEL, bin_m=bin_m)
    expected = [17.3459, 17.3459, 17.3459, 21.2144, 107.2941]
    assert weight.tolist() == pytest.approx(expected, abs=6e-5)
    share = (weight / weight.sum()).tolist()
    # The sheet prints 0.594273 for the last and 0.0288253 for f(10), which its own weights contradict in the last digit:
    # 107.2941 / 180.5462 = 0.594275 and 1 / (2 * 17.3459) = 0.0288252.
    assert share == pytest.approx([0.096075, 0.096075, 0.096075, 0.117501, 0.594275], abs=6e-7)
    density = 1 / density_and_category_weights(DISTANCE, LABEL, use_category=False, bin_m=bin_m)
    assert density[2:].tolist() == pytest.approx([0.0288252, 0.0235688, 0.0093202], abs=6e-8)
    count = 1 / density_and_category_weights(DISTANCE, LABEL, use_density=False, bin_m=bin_m)
    assert count.tolist() == pytest.approx([2, 2, 2, 2, 1])


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(2, 400), st.integers(0, 10_000))
def test_the_weights_equal_the_sum_over_all_pairs(pairs, seed):
    generator = torch.Generator().manual_seed(seed)
    tenths = torch.randint(0, 700, (pairs,), generator=generator)
    label = torch.randint(0, 17, (pairs,), generator=generator)
    if len(tenths.unique()) == 1:
        return
    expected = _naive_weights(tenths.double() * 0.1, label)
    for bin_m in (0.1, None):
        distance = (tenths.double() + (0.5 if bin_m else 0.0)) * 0.1  # inside its bin
        torch.testing.assert_close(
            density_and_category_weights(distance, label, bin_m=bin_m), expected, rtol=1e-9, atol=0
        )


def test_many_different_distances_are_worked_on_in_pieces():
    distance = 50 * torch.rand(3000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    label = torch.arange(3000) % 5
    weight = density_and_category_weights(distance, label, bin_m=None)
    torch.testing.assert_close(weight, _naive_weights(distance, label), rtol=1e-9, atol=0)


def test_one_stray_point_far_away_costs_no_memory():
    distance = torch.cat([50 * torch.rand(1000), torch.tensor([1e9])])
    weight = density_and_category_weights(distance, torch.zeros(1001, dtype=torch.int64))
    assert bool(weight.isfinite().all())
    assert bool((weight > 0).all())
    assert int(weight.argmax()) == 1000


def test_pairs_without_a_class_have_no_weight_and_do_not_count():
    distance, label = torch.cat([DISTANCE, torch.tensor([10.0, 70.0])]), torch.cat([LABEL, torch.tensor([255, 255])])
    weight = density_and_category_weights(distance, label)
    torch.testing.assert_close(weight[:5], density_and_category_weights(DISTANCE, LABEL))
    assert weight[5:].tolist() == [0.0, 0.0]


EDGE_BATCHES = {
    "no pair": ([], []),
    "one pair": ([12.0], [3]),
    "one pair without a class": ([12.0], [255]),
    "all without a class": ([1.0, 2.0], [255, 255]),
    "one distance": ([7.0] * 5, [0, 0, 1, 1, 1]),
    "one class": ([1.0, 2.0, 3.0], [4, 4, 4]),
    "at the sensor": ([0.0, 0.0], [1, 2]),
}


@pytest.mark.parametrize("case", EDGE_BATCHES)
@pytest.mark.parametrize("bin_m", [None, 0.1])
def test_an_odd_batch_gives_finite_weights(case, bin_m):
    distance, label = EDGE_BATCHES[case]
    label = torch.tensor(label, dtype=torch.int64)
    weight = density_and_category_weights(torch.tensor(distance), label, bin_m=bin_m)
    assert bool(weight.isfinite().all())
    assert ((weight > 0) == (label != 255)).all()


def test_at_one_distance_only_the_category_counts():
    weight = density_and_category_weights(torch.full((5,), 7.0), torch.tensor([0, 0, 1, 1, 1]))
    assert weight.tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])


@pytest.mark.slow
def test_weights_of_150000_pairs_equal_the_plain_sum_and_come_far_sooner():
    generator = torch.Generator().manual_seed(0)
    tenths = (torch.rand(150_000, generator=generator) ** 2 * 500).long()
    label = torch.randint(0, 17, (150_000,), generator=generator)
    distance = (tenths.double() + 0.5) * 0.1
    began = time.perf_counter()
    expected = _naive_weights(tenths.double() * 0.1, label)
    plain_s, durations_s = time.perf_counter() - began, []
    for _ in range(5):
        began = time.perf_counter()
        weight = density_and_category_weights(distance, label)
        durations_s.append(time.perf_counter() - began)
    torch.testing.assert_close(weight, expected, rtol=1e-9, atol=0)
    assert min(durations_s) < plain_s / 10  # 60 times; the milliseconds are tests.bench.training.losses' to tell


# --- the draw -----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 300.0]), max_size=30), st.integers(0, 40), st.integers(0, 99))
def test_a_draw_has_each_possible_pair_at_most_once(weights, count, seed):
    weight = torch.tensor(weights, dtype=torch.float64)
    drawn = draw_pairs(weight, count, torch.Generator().manual_seed(seed)).tolist()
    assert len(drawn) == len(set(drawn)) == min(count, int((weight > 0).sum()))
    assert all(weights[index] > 0 for index in drawn)


def test_the_same_generator_draws_the_same_pairs():
    weight = torch.rand(1000, generator=torch.Generator().manual_seed(1))
    draws = [draw_pairs(weight, 100, torch.Generator().manual_seed(seed)).tolist() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] != draws[2]


def _exact_inclusion(weights, count):
    """Probability of each index to be among the first `count` of successive draws in proportion to weight."""
    inclusion = [0.0] * len(weights)

    def go(chosen, probability):
        if len(chosen) == count:
            for index in chosen:
                inclusion[index] += probability
            return
        rest = sum(weight for index, weight in enumerate(weights) if index not in chosen)
        for index, weight in enumerate(weights):
            if index not in chosen:
                go((*chosen, index), probability * weight / rest)

    go((), 1.0)
    return inclusion


def test_the_draw_is_distributed_as_multinomial_without_replacement():
    weights, rounds = [0.5, 1.0, 2.0, 4.0, 8.0], 6_000
    expected = _exact_inclusion(weights, 3)
    generator = torch.Generator().manual_seed(3)
    weight = torch.tensor(weights, dtype=torch.float64)
    ours = torch.zeros(5)
    for _ in range(rounds):
        ours[draw_pairs(weight, 3, generator)] += 1
    theirs = torch.multinomial(weight.expand(rounds, 5), 3, replacement=False, generator=generator).flatten().bincount()
    for found in (ours / rounds, theirs / rounds):
        for share, exact in zip(found.tolist(), expected, strict=True):
            assert abs(share - exact) < 4.5 * math.sqrt(exact * (1 - exact) / rounds)


def test_more_pairs_than_multinomial_takes_can_be_drawn_from():
    weight = torch.zeros(2**24 + 10, dtype=torch.float32)
    weight[-5:] = 1.0
    drawn = draw_pairs(weight, 4096, torch.Generator().manual_seed(0))
    assert sorted(drawn.tolist()) == list(range(2**24 + 5, 2**24 + 10))
