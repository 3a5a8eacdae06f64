"""Sums of cells by gather tables, against a loop over rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.voxels.cell_sums import CellSums, cell_sums

SHAPE = (5, 7)


def means_by_tables(x: np.ndarray, sums: CellSums) -> np.ndarray:
    """What a network file does with the tables."""
    levels = [np.vstack([x * sums.share, np.zeros((1, x.shape[1]))])]
    for lines in sums.lines:
        levels.append(levels[-1][lines].sum(axis=1))
    return np.concatenate(levels)[sums.cells]


def slow_means(x: np.ndarray, cell: np.ndarray) -> np.ndarray:
    members: dict[int, list[np.ndarray]] = {}
    for row, number in zip(x, cell.tolist(), strict=True):
        members.setdefault(number, []).append(row)
    means = np.zeros((1, *SHAPE, x.shape[1]))
    for number, rows in members.items():
        means[0, number // SHAPE[1], number % SHAPE[1]] = np.mean(rows, axis=0)
    return means


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(0, 300), crowding=st.integers(1, 12))
def test_cells_have_the_mean_of_their_rows_however_they_are_spread(seed, count, crowding):
    rng = np.random.default_rng(seed)
    cell = (rng.random(count) ** crowding * SHAPE[0] * SHAPE[1]).astype(np.int64)
    x = rng.normal(size=(count, 3))
    np.testing.assert_allclose(means_by_tables(x, cell_sums(cell, SHAPE)), slow_means(x, cell), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 128, 129, 5000])
def test_a_cell_may_have_any_number_of_rows(count):
    cell = np.full(count, 11)
    sums = cell_sums(np.append(cell, 3), SHAPE)
    assert [lines.shape[1] for lines in sums.lines[:2]] == [8, 16]
    assert sums.lines[2].shape[1] == max(1, -(-count // 128))
    x = np.random.default_rng(0).normal(size=(count + 1, 2))
    np.testing.assert_allclose(means_by_tables(x, sums), slow_means(x, np.append(cell, 3)), atol=1e-6)


def test_crowded_cells_do_not_make_the_tables_much_larger_than_the_cloud():
    rng = np.random.default_rng(0)
    cell = np.concatenate([rng.integers(0, 166 * 166, 12_000), np.full(8000, 77)])
    gathered = sum(lines.size for lines in cell_sums(cell, (166, 166)).lines)
    assert gathered < 3 * len(cell)


def test_tables_are_as_the_file_takes_them():
    sums = cell_sums(np.array([4, 34, 4]), SHAPE)
    assert {array.dtype for array in (*sums.lines, sums.cells, sums.cell_of_row)} == {np.dtype(np.int32)}
    assert (sums.share.dtype, sums.share.tolist()) == (np.float32, [[0.5], [1.0], [0.5]])
    assert (sums.cells.shape, sums.cell_of_row.tolist()) == ((1, *SHAPE), [4, 34, 4])
