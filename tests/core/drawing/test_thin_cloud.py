"""What of a cloud a page carries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.drawing.thin_cloud import MOST_POINTS, thin_cloud


def test_a_small_cloud_keeps_every_point_with_its_labels_to_the_centimetre() -> None:
    xyz_m = np.random.default_rng(0).uniform(-80, 80, (500, 3)).astype(np.float32)
    class_id, truth = np.arange(500, dtype=np.uint8), np.arange(500, dtype=np.uint8)[::-1]
    thin = thin_cloud(xyz_m, class_id, truth, np.linspace(0, 1, 500, dtype=np.float32))
    assert (thin.points, thin.cube_cm) == (500, 0)
    assert_allclose(thin.xyz_cm / 100, xyz_m, atol=0.006)
    assert_array_equal(thin.class_id, class_id)
    assert_array_equal(thin.truth, truth)
    assert_array_equal(thin.confidence_percent[[0, -1]], [0, 100])
    assert len(thin.packed()) == 500 * 9


def test_a_large_cloud_keeps_the_first_point_of_each_cube_and_says_how_large_they_are() -> None:
    xyz_m = np.random.default_rng(0).uniform(-50, 50, (150_000, 3)).astype(np.float32)
    thin = thin_cloud(xyz_m, np.zeros(150_000, np.uint8), None, None)
    assert len(thin.xyz_cm) <= MOST_POINTS < thin.points == 150_000
    cubes = (thin.xyz_cm.astype(np.int64) + 32_767) // thin.cube_cm
    assert len(np.unique(cubes, axis=0)) == len(cubes)


@pytest.mark.parametrize("middle_m", [(0, 0, 0), (4.0e5, 5.0e6, 300.0)])
def test_what_is_nowhere_or_out_of_reach_is_left_out_wherever_the_cloud_lies(middle_m) -> None:
    near = np.random.default_rng(0).uniform(-20, 20, (50, 3)) + middle_m
    xyz_m = np.concatenate([near, [[np.nan, 0, 0], [np.inf, 0, 0], [1e9, 0, 0]]]).astype(np.float32)
    thin = thin_cloud(xyz_m, np.zeros(53, np.uint8), None, None)
    assert (len(thin.xyz_cm), thin.points) == (50, 53)


def test_a_cloud_of_nothing_is_nothing() -> None:
    assert thin_cloud(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8), None, None).packed() == b""
