"""Readings of the last block against slow, readable references; NACLIP's window."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from offline_training.words.image_models.towers.last_block import READINGS, gaussian_window, neighbour_weights

_GRIDS = st.tuples(st.integers(1, 7), st.integers(1, 7))


def _heads(grid, seed=0, size=5):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, 1 + grid[0] * grid[1], size)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))


def _slow_answer(score, v):
    """One head of one picture: score(i, j) of tokens -> softmax over j, one row at a time."""
    rows = []
    for i in range(len(v)):
        weights = [math.exp(score(i, j)) for j in range(len(v))]
        rows.append(sum(weight * v[j] for j, weight in enumerate(weights)) / sum(weights))
    return torch.stack(rows)


def _slow(name, q, k, v, grid):
    """The table of readings, written out for one head of one picture, tokens (n, D)."""
    scale = 1.0 / math.sqrt(q.shape[1])

    def bonus(i, j):
        if i == 0 or j == 0:  # the class token
            return 0.0
        (row_i, column_i), (row_j, column_j) = divmod(i - 1, grid[1]), divmod(j - 1, grid[1])
        return math.exp(-((row_i - row_j) ** 2 + (column_i - column_j) ** 2) / (2 * 5**2))

    if name == "maskclip":
        return v
    if name == "sclip":
        return _slow_answer(lambda i, j: float(q[i] @ q[j]) * scale, v) + _slow_answer(
            lambda i, j: float(k[i] @ k[j]) * scale, v
        )
    scores = {
        "plain": lambda i, j: float(q[i] @ k[j]) * scale,
        "clearclip": lambda i, j: float(q[i] @ q[j]) * scale,
        "naclip": lambda i, j: float(k[i] @ k[j]) * scale + bonus(i, j),
    }
    return _slow_answer(scores[name], v)


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 2)])
def test_a_reading_equals_its_slow_reference(name, grid):
    q, k, v = _heads(grid)
    answer = READINGS[name].attend(q, k, v, grid)
    for picture in range(2):
        for head in range(3):
            slow = _slow(name, q[picture, head], k[picture, head], v[picture, head], grid)
            torch.testing.assert_close(answer[picture, head], slow, rtol=1e-6, atol=1e-6)  # the window is float32


def test_only_clearclip_and_naclip_leave_out_residual_and_mlp():
    assert {name for name, reading in READINGS.items() if not reading.keeps_residual} == {"clearclip", "naclip"}


@given(_GRIDS)
def test_the_window_is_one_at_the_query_symmetric_and_zero_for_the_class_token(grid):
    window = gaussian_window(grid)
    assert window.shape == (1 + grid[0] * grid[1],) * 2
    assert (window.diagonal()[1:] == 1.0).all()
    assert torch.equal(window, window.T)
    assert (window[0] == 0.0).all()
    assert (window[:, 0] == 0.0).all()
    assert (window[1:, 1:] > 0.0).all()


def test_the_window_falls_with_the_distance_in_patches():
    window = gaussian_window((3, 8))
    corner = window[1, 1:].reshape(3, 8)
    assert corner[0, 5] == pytest.approx(math.exp(-0.5))  # one standard deviation of 5 patches
    assert corner[2, 1] == pytest.approx(math.exp(-5 / 50))


@given(_GRIDS, st.integers(0, 9))
def test_rows_of_naclips_attention_add_up_to_one(grid, seed):
    _, k, _ = _heads(grid, seed)
    torch.testing.assert_close(neighbour_weights(k, grid).sum(dim=-1), torch.ones(k.shape[:3], dtype=k.dtype))


def test_where_keys_say_nothing_naclip_looks_at_neighbours():
    weights = neighbour_weights(torch.zeros(1, 1, 26, 4), (5, 5))[0, 0]
    middle = weights[1 + 12, 1:].reshape(5, 5)
    assert middle.argmax() == 12
    assert (middle[2, 1:4] > middle[0, 0]).all()
