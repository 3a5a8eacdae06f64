"""CenterPoint's losses: against sums written out, truth that is not known, and maps without centres."""

import math

import pytest
import torch

from offline_training.losses.detection.centerpoint import heat_map_focal, l1_at_centers
from tests.training.losses.detection.random_tensors import made


def made_heat() -> torch.Tensor:
    heat = torch.rand(2, 2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    heat[0, 1, 2, 3] = heat[1, 0, 0, 0] = 1.0
    heat[1, 1] = 0.0
    return heat


def test_heat_maps_count_centres_fully_and_their_surroundings_less():
    logit, heat = made(0, 2, 2, 3, 4), made_heat()
    total = 0.0
    for x, y in zip(logit.flatten().tolist(), heat.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        total -= (1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p)
    assert float(heat_map_focal(logit, heat)) == pytest.approx(total / 2)


def test_a_map_without_centres_costs_what_it_shows():
    logit = made(0, 1, 1, 2, 2)
    p = logit.sigmoid()
    expected = -(p**2 * torch.log(1 - p)).sum()
    torch.testing.assert_close(heat_map_focal(logit, torch.zeros_like(logit)), expected)


def test_scores_that_are_surely_wrong_cost_a_finite_number_and_have_a_gradient():
    logit = torch.tensor([[[[-200.0, 200.0]]]], requires_grad=True)
    loss = heat_map_focal(logit, torch.tensor([[[[1.0, 0.0]]]]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(400.0)
    assert logit.grad.flatten().tolist() == pytest.approx([-1.0, 1.0])


def test_boxes_count_at_their_own_cell_and_channel():
    value_map, truth = made(0, 2, 3, 4, 5), made(1, 3, 3)
    truth[1, 2] = math.nan
    scan, cell = torch.tensor([0, 1, 1]), torch.tensor([0 * 5 + 3, 3 * 5 + 4, 2 * 5 + 0])
    places = [(0, 0, 3), (1, 3, 4), (1, 2, 0)]
    expected = [
        sum(
            abs(float(value_map[s, channel, y, x] - truth[row, channel]))
            for row, (s, y, x) in enumerate(places)
            if not (row == 1 and channel == 2)
        )
        / 3
        for channel in range(3)
    ]
    assert l1_at_centers(value_map, scan, cell, truth).tolist() == pytest.approx(expected)


def test_without_boxes_the_error_is_zero_and_unknown_truth_has_no_gradient():
    value_map = made(0, 1, 2, 3, 3).requires_grad_()
    none = torch.empty(0, dtype=torch.int64)
    assert l1_at_centers(value_map, none, none, torch.empty(0, 2)).tolist() == [0, 0]
    unknown = torch.tensor([[math.nan, 1.0]])
    l1_at_centers(value_map, torch.tensor([0]), torch.tensor([4]), unknown).sum().backward()
    assert float(value_map.grad[0, 0].abs().sum()) == 0
    assert float(value_map.grad[0, 1].abs().sum()) == 1


def test_gradients_are_those_of_the_values():
    heat = made_heat()
    torch.autograd.gradcheck(lambda x: heat_map_focal(x, heat), made(3, 2, 2, 3, 4).requires_grad_())
