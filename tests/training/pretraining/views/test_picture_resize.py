"""Resized pictures: where a pixel goes, from how many neighbours it comes, and any array that pictures come as."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from offline_training.datasets.base.picture_resize import moved_pixels, resized_ids, resized_rgb
from tests.training.pretraining.views.coded_scans import coded_picture


@settings(max_examples=40)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_a_pixel_goes_to_the_one_that_holds_its_centre(height, width, new_height, new_width):
    v, u = np.divmod(np.arange(height * width), width)
    moved, inside = moved_pixels(np.stack([u, v], axis=1), (0, 0, width, height), (new_height, new_width))
    assert inside.all()
    assert (moved >= 0).all()
    assert (moved < (new_width, new_height)).all()
    # The centre of the old pixel lies in the new one.
    center = (np.stack([u, v], axis=1) + 0.5) * (new_width, new_height) / (width, height)
    assert (moved <= center + 1e-9).all()
    assert (center <= moved + 1 + 1e-9).all()


def test_pixels_move_by_the_rules_of_the_public_codes():
    pixel_uv = np.array([[0, 0], [3, 1], [7, 8], [9, 9], [-1, 2]])
    # SLidR and OLIVINE: round((p - corner) * new / old), numpy's halves to even; inside is what lies in the new picture
    moved, inside = moved_pixels(pixel_uv, (0, 0, 10, 10), (5, 4), "rounded")
    assert_array_equal(inside, [True, True, True, False, True])
    assert_array_equal(moved, [[0, 0], [1, 0], [3, 4], [0, 0], [0, 1]])
    # ScaLR: floor(p * new / old)
    moved, inside = moved_pixels(pixel_uv, (0, 0, 10, 10), (5, 4), "floor")
    assert_array_equal(inside, [True, True, True, True, False])
    assert_array_equal(moved[:4], [[0, 0], [1, 0], [2, 4], [3, 4]])


def test_without_antialias_a_pixel_comes_from_four_neighbours():
    picture = np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    by_hand = picture[1::4].astype(float) + picture[2::4]  # a quarter as large: new centres lie between pixels 1 and 2
    by_hand = (by_hand[:, 1::4] + by_hand[:, 2::4]) / 4
    assert_allclose(resized_rgb(picture, (3, 3), antialias=False), by_hand, atol=0.51)
    assert np.abs(resized_rgb(picture, (3, 3)) - by_hand).max() > 5


def test_pixels_outside_the_window_are_told():
    _, inside = moved_pixels(np.array([[3, 4], [2, 4], [13, 4], [12, 8], [12, 9]]), (3, 4, 10, 5), (5, 10))
    assert_array_equal(inside, [True, False, False, True, False])


@pytest.mark.parametrize("picture", [np.full((12, 20, 3), 200, np.uint8), coded_picture(1, 12, 20)])
def test_pictures_resize_also_when_they_are_read_only_or_parts_of_others(picture):
    picture.flags.writeable = False
    half = resized_rgb(picture, (6, 10))
    assert half.dtype == np.uint8
    by_hand = picture[2:10, 4:12].astype(float).reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert_allclose(resized_rgb(picture, (4, 4), (4, 2, 8, 8))[1:-1, 1:-1], by_hand[1:-1, 1:-1], atol=1.0)
    assert_array_equal(resized_ids(picture[..., 0], (6, 10)), picture[1::2, 1::2, 0])
