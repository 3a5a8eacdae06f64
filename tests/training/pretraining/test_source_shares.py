"""Shares of several data sets in an epoch: by weight, spread over the steps, the same on every process."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.batches.share_order import ShareOrder
from offline_training.pretraining.scans import places
from offline_training.runs.ranks import Ranks


def source_of(order, number):
    return int(np.searchsorted(np.cumsum(order.scans), number, side="right"))


def slow_shares(places, weights):
    """Whole numbers that sum to the places: the exact shares cut, then one more for the largest remainders."""
    exact = [places * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    while sum(counts) < places:
        counts[max(range(len(counts)), key=lambda k: exact[k] - counts[k])] += 1
    return counts


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0.5, 1.0, 2.0, 3.7])), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(0, 1000),
)
def test_every_epoch_holds_exactly_the_shares_of_the_weights(sources, scans_per_step, seed):
    scans, weights = zip(*sources, strict=True)
    try:
        order = ShareOrder(scans, weights, scans_per_step, seed)
    except BadConfig:
        assert min(slow_shares(max(1, sum(scans) // scans_per_step) * scans_per_step, weights)) == 0
        return
    steps, shown = order.steps_per_epoch, [[] for _ in scans]
    expected = slow_shares(steps * scans_per_step, weights)
    for epoch in range(3):
        counts = Counter()
        for step in range(epoch * steps, (epoch + 1) * steps):
            for place in range(scans_per_step):
                number = order.scan(step, place)
                counts[source_of(order, number)] += 1
                shown[source_of(order, number)].append(number)
        assert [counts[k] for k in range(len(scans))] == expected
    for numbers, count in zip(shown, scans, strict=True):  # no scan comes again before all have come
        times = Counter(numbers)
        assert max(times.values()) - (min(times.values()) if len(times) == count else 0) <= 1


def test_shares_are_spread_over_the_steps_of_an_epoch():
    order = ShareOrder((900, 100), (1.0, 1.0), 10, seed=3)
    of_second = [sum(source_of(order, order.scan(step, place)) for place in range(10)) for step in range(100)]
    assert set(of_second) == {5}
    in_first_half = [sum(source_of(order, order.scan(step, place)) for place in range(5)) for step in range(100)]
    assert len(set(in_first_half)) > 3  # no process has a data set to itself


def test_two_processes_see_disjoint_parts_that_together_are_those_of_one():
    order = ShareOrder((40, 12), (2.0, 1.0), 4, seed=5)
    steps = order.steps_per_epoch
    one = [order.scan(*place) for step in places(0, steps, 4, Ranks()) for place in step]
    halves = [[order.scan(*place) for step in places(0, steps, 2, Ranks(rank, 2)) for place in step] for rank in (0, 1)]
    assert sorted(one) == sorted(halves[0] + halves[1])
    large = [{number for number in half if number < 40} for half in halves]
    assert not large[0] & large[1]  # of the small one scans come again


def test_a_weight_that_is_worth_no_scan_is_refused():
    with pytest.raises(BadConfig, match=r"weight 0\.001: expected a share of at least one of the 100 scans"):
        ShareOrder((50, 50), (1.0, 0.001), 10, seed=0)
