"""Rate and momentum of one cycle."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from offline_training.finetuning.detection.one_cycle import build_optimizer, one_cycle, set_cycle


def test_it_begins_at_a_tenth_of_the_peak_and_ends_near_nothing():
    assert one_cycle(0, 1000, 0.003) == pytest.approx((0.0003, 0.95))
    assert one_cycle(400, 1000, 0.003) == pytest.approx((0.003, 0.85))
    assert one_cycle(1000, 1000, 0.003) == pytest.approx((3e-8, 0.95))


@given(st.integers(2, 5000), st.floats(1e-5, 0.1))
def test_rate_and_momentum_move_against_each_other_within_their_limits(steps, peak):
    rates, momenta = np.array([one_cycle(step, steps, peak) for step in range(min(steps, 200))]).T
    assert (rates <= peak * (1 + 1e-9)).all()
    assert (rates > 0).all()
    assert ((momenta >= 0.85 - 1e-9) & (momenta <= 0.95 + 1e-9)).all()
    rising = np.diff(rates) > 1e-12 * peak
    assert (np.diff(momenta)[rising] <= 1e-12).all()


def test_an_optimiser_gets_both():
    optimizer = build_optimizer([torch.nn.Parameter(torch.zeros(1))], 0.01, 0.01)
    assert set_cycle(optimizer, 40, 100, 0.01) == pytest.approx(0.01)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.85, 0.99))
