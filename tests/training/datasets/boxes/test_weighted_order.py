"""Scans drawn by the weights of their data sets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offline_training.datasets.batches.weighted_order import WeightedOrder


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 10), st.integers(0, 1000), st.integers(0, 7)
)
def test_every_place_has_a_scan_of_its_own_and_the_same_one_again(scans, seed, step, place):
    order = WeightedOrder(scans, [1.0] * len(scans), seed)
    assert 0 <= order.scan(step, place) < sum(scans)
    assert order.scan(step, place) == WeightedOrder(scans, [1.0] * len(scans), seed).scan(step, place)


def test_a_data_set_comes_as_often_as_its_weight_says_however_large_it_is():
    order = WeightedOrder([1000, 10], [1.0, 3.0], 0)
    drawn = np.array([order.scan(step, place) for step in range(1000) for place in range(2)])
    assert abs((drawn >= 1000).mean() - 0.75) < 0.04
    assert set(drawn[drawn >= 1000]) == set(range(1000, 1010))
