"""Places on beams: nothing before a return, something just behind it, no question beyond; and of which point each is asked."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from offline_training.pretraining.views.ray_queries import BEHIND_M, CELL_M, asked_points, ray_queries

COUNT = 90
clouds = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-60, 60, width=32))
seeds = st.integers(0, 2**31)
heights_m = st.floats(-1.0, 3.0, width=32)


@settings(max_examples=60, deadline=None)
@given(clouds, seeds, heights_m)
def test_no_place_is_free_behind_a_return_none_occupied_before_one_and_none_is_asked_beyond(xyz_m, seed, height_m):
    sensor_m = np.array([0.0, 0.0, height_m])
    place_m, is_occupied, of_return = ray_queries(xyz_m, COUNT, np.random.default_rng(seed), tuple(sensor_m))
    way_m, return_m = place_m - sensor_m, xyz_m[of_return] - sensor_m
    range_m, reached_m = np.linalg.norm(return_m, axis=1), np.linalg.norm(way_m, axis=1)
    slack_m = 1e-5 * (1.0 + range_m)
    assert (reached_m[~is_occupied] <= (range_m + slack_m)[~is_occupied]).all()
    assert (reached_m[is_occupied] >= (range_m - slack_m)[is_occupied]).all()
    assert (reached_m <= range_m + BEHIND_M + slack_m).all()
    along = np.einsum("qc,qc->q", way_m, return_m)
    assert_allclose(along, reached_m * range_m, atol=1e-4 * (1.0 + range_m.max(initial=0.0) ** 2))  # one direction


def test_a_third_is_behind_a_third_just_before_and_a_third_anywhere_before():
    xyz_m = np.array([[10.0, 0.0, 0.0], [0.0, -20.0, 0.0]], np.float32)
    place_m, is_occupied, of_return = ray_queries(xyz_m, 3000, np.random.default_rng(0))
    before_m = np.linalg.norm(xyz_m[of_return], axis=1) - np.linalg.norm(place_m, axis=1)
    assert is_occupied.sum() == 1000
    just_before = ~is_occupied & (before_m <= BEHIND_M + 1e-4)
    assert 1000 <= just_before.sum() < 1050  # some of those that lie anywhere are near, too
    assert_allclose(before_m[is_occupied].mean(), -BEHIND_M / 2, atol=0.01)
    anywhere = before_m[2::3] / np.linalg.norm(xyz_m[of_return[2::3]], axis=1)
    assert_allclose(np.quantile(anywhere, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.05)


def test_a_cloud_without_beams_has_no_places():
    for xyz_m in (np.empty((0, 3), np.float32), np.zeros((4, 3), np.float32)):
        place_m, is_occupied, of_return = ray_queries(xyz_m, COUNT, np.random.default_rng(0))
        assert len(place_m) == len(is_occupied) == len(of_return) == 0
        assert len(asked_points(place_m, xyz_m, np.random.default_rng(0))) == 0


@settings(max_examples=40, deadline=None)
@given(clouds, clouds, seeds)
def test_a_place_is_asked_of_a_point_in_its_cell_and_of_none_only_where_the_cell_has_none(xyz_m, place_m, seed):
    asked = asked_points(place_m, xyz_m, np.random.default_rng(seed))
    corner_m = np.random.default_rng(seed).random(3) * CELL_M
    cells = [tuple(cell) for cell in np.floor((xyz_m - corner_m) / CELL_M).astype(int)]
    for place, point in zip(place_m, asked, strict=True):
        cell = tuple(np.floor((place - corner_m) / CELL_M).astype(int))
        assert (point >= 0) == (cell in cells)
        assert point < 0 or cells[point] == cell


def test_every_point_of_a_cell_is_asked_about_as_often():
    xyz_m = np.random.default_rng(1).uniform(-0.001, 0.001, (5, 3)).astype(np.float32) + 0.5
    asked = asked_points(np.full((5000, 3), 0.5, np.float32), xyz_m, np.random.default_rng(3))
    assert_allclose(np.bincount(asked, minlength=5), 1000, atol=150)


def test_equal_draws_are_equal():
    xyz_m = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    one, other = (ray_queries(xyz_m, COUNT, np.random.default_rng(5)) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        assert_array_equal(first, second)
