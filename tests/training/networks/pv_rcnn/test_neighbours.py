"""Keypoints and their neighbours: against definitions written out, and clouds with few points or none."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.networks.pv_rcnn import neighbours
from offline_training.networks.pv_rcnn.neighbours import PointGroups, farthest_points, first_neighbours


def made(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12))
def test_each_keypoint_is_the_farthest_from_those_before(seed, count, asked):
    xyz_m = made(seed, count)
    rows = farthest_points(xyz_m, asked).tolist()
    assert rows[0] == 0
    for place in range(1, min(count, asked)):
        apart = np.linalg.norm(xyz_m[:, None] - xyz_m[rows[:place]], axis=2).min(axis=1)
        assert apart[rows[place]] == pytest.approx(apart.max())
    assert rows == [rows[place % count] for place in range(asked)]  # few points come again


def test_no_points_have_no_farthest():
    with pytest.raises(ValueError, match="expected one point at least"):
        farthest_points(np.empty((0, 3), np.float32), 4)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 30), st.integers(0, 30), st.integers(1, 6), st.floats(0.2, 1.5))
def test_neighbours_are_the_first_of_the_own_scan_within_the_radius(seed, one, other, most, radius_m):
    source = PointGroups(torch.from_numpy(made(seed, one + other)), (one, other))
    query = PointGroups(torch.from_numpy(made(seed + 1, 9)), (4, 5))
    rows, is_empty = first_neighbours(source, query, radius_m, most)
    for number, centre in enumerate(query.xyz_m):
        own = range(one) if number < 4 else range(one, one + other)
        near = [row for row in own if float(((source.xyz_m[row] - centre) ** 2).sum()) < radius_m**2][:most]
        expected = near + [near[0] if near else one + other] * (most - len(near))
        assert rows[number].tolist() == expected
        assert bool(is_empty[number]) == (not near)


def test_points_far_apart_and_on_the_faces_of_cubes_are_found_too():
    steps = torch.arange(-4.0, 5.0)
    lattice = torch.cartesian_prod(steps, steps, steps) * 0.5
    source = PointGroups(torch.cat([lattice, torch.tensor([[9e3, -9e3, 40.0]])]), (len(lattice) + 1,))
    query = PointGroups(torch.tensor([[0.0, 0, 0], [-2, 2, -2], [9e3, -9e3, 40.4], [-7e3, 0, 0]]), (4,))
    rows, is_empty = first_neighbours(source, query, 0.5, 9)  # what lies exactly at the radius does not count
    for number in range(2):
        assert set(rows[number].tolist()) == {int(((lattice - query.xyz_m[number]) ** 2).sum(dim=1).argmin())}
    assert set(rows[2].tolist()) == {len(lattice)}
    assert is_empty.tolist() == [False, False, False, True]


def test_many_queries_are_looked_at_in_parts(monkeypatch):
    source, query = (PointGroups(torch.from_numpy(made(seed, 50)), (20, 30)) for seed in (1, 2))
    whole = first_neighbours(source, query, 0.7, 5)
    monkeypatch.setattr(neighbours, "_QUERIES_AT_ONCE", 7)
    for found, expected in zip(first_neighbours(source, query, 0.7, 5), whole, strict=True):
        assert torch.equal(found, expected)
