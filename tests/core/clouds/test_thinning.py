"""More points than are looked at: an even choice, and an answer for every point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import thinned


def _cloud(count: int) -> PointCloud:
    number = np.arange(count, dtype=np.float32)
    return PointCloud(np.stack([number] * 3, axis=1), number, 5, "lidar", {"ring": number.astype(np.uint16)})


@given(st.integers(0, 3000), st.integers(1, 2000))
def test_at_most_so_many_points_are_looked_at_in_their_order_and_each_is_whole(count, most):
    found = thinned(_cloud(count), most)
    assert len(found.cloud) == min(count, most)
    rows = np.arange(count) if found.rows is None else found.rows
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(found.cloud.xyz_m[:, 1], rows)
    np.testing.assert_array_equal(found.cloud.intensity, rows)
    np.testing.assert_array_equal(found.cloud.extra["ring"], rows)
    answer = found.spread(np.full(len(found.cloud), 7, np.uint8), 255)
    assert answer.shape == (count,)
    assert answer.dtype == np.uint8
    assert (answer == 7).sum() == len(found.cloud)
    assert (answer[rows] == 7).all()


def test_a_cloud_that_is_small_enough_is_handed_on_as_it_is():
    cloud, values = _cloud(10), np.zeros(10)
    assert thinned(cloud, 10).cloud is cloud
    assert thinned(cloud, 10).spread(values, 255) is values


@pytest.mark.parametrize("beams", [16, 32, 40, 64, 128])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_no_beam_and_no_stretch_of_the_sweep_is_left_out(beams, share):
    columns = 1000
    rows = thinned(_cloud(beams * columns), round(share * beams * columns)).rows
    by_beam = np.bincount(rows % beams, minlength=beams) / columns
    by_stretch = np.bincount(rows // (10 * beams), minlength=columns // 10) / (10 * beams)
    assert (abs(by_beam - share) < 0.25 * share).all()
    assert (abs(by_stretch - share) < 0.25 * share).all()
