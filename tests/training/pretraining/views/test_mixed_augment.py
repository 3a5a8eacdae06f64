"""Augmentation of paired scans: whatever is drawn, a pair that is left joins the same point with what its pixel showed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from offline_training.pretraining.views.pair_augment import (
    PairAugmentConfig,
    augment_pairs,
    drop_cuboid,
    flip_images,
    move_cloud,
    plain_resize,
    resized_crop,
    shuffle_images,
    shuffle_points,
)
from offline_training.pretraining.views.two_views import cloud_view
from tests.training.pretraining.views.coded_scans import coded_picture, coded_scan, require_true_pairs, scans


@settings(max_examples=120)
@given(scans(), st.integers(0, 10**6), st.tuples(st.integers(8, 70), st.integers(8, 130)), st.sampled_from([0, 5, 100]))
def test_every_pair_stays_true_through_all_changes(scan, seed, image_size, min_pairs):
    config = PairAugmentConfig(image_size=image_size, min_pairs=min_pairs, cuboid_extent=1.5)
    after = augment_pairs(scan, config, np.random.default_rng(seed))
    assert [image.shape for image in after.images] == [(*image_size, 3)] * len(scan.images)
    sides = np.array([image.shape[:2] for image in scan.images])
    require_true_pairs(scan, after, float((sides / image_size).max()))


@pytest.mark.parametrize("height_m", [0.0, 1.5])
def test_clouds_are_scaled_about_the_sensor_which_stays_where_it_is(height_m):
    scan, sensor_m = coded_scan(3, [(20, 30)], 30, 10), np.array([0.0, 0.0, height_m])
    after = move_cloud(scan, PairAugmentConfig(scale=(1.2, 1.5)), np.random.default_rng(2), height_m)
    factor = np.linalg.norm(after.xyz_m - sensor_m, axis=1) / np.linalg.norm(scan.xyz_m - sensor_m, axis=1)
    assert 1.2 < factor[0] < 1.5
    assert_allclose(factor, factor[0], rtol=1e-4)
    view = cloud_view(scan.xyz_m, scan.intensity, np.random.default_rng(2), height_m)
    kept_m = scan.xyz_m[view.point_index]
    factor = np.linalg.norm(view.xyz_m - sensor_m, axis=1) / np.linalg.norm(kept_m - sensor_m, axis=1)
    assert len(factor) > 5
    assert factor[0] != pytest.approx(1.0, abs=1e-3)
    assert_allclose(factor, factor[0], rtol=1e-4)


@settings(max_examples=50)
@given(scans(), st.tuples(st.integers(8, 70), st.integers(8, 130)))
def test_a_plain_resize_keeps_every_pair(scan, image_size):
    after = plain_resize(scan, PairAugmentConfig(image_size=image_size))
    assert_array_equal(after.point_index, scan.point_index)
    require_true_pairs(scan, after, float((np.array([image.shape[:2] for image in scan.images]) / image_size).max()))


@settings(max_examples=50)
@given(scans(), st.integers(0, 10**6))
def test_shuffling_and_flipping_lose_nothing_and_move_pixels_exactly(scan, seed):
    rng = np.random.default_rng(seed)
    after = flip_images(shuffle_images(scan, rng), 0.5, rng)
    assert len(after.point_index) == len(scan.point_index)
    require_true_pairs(scan, after, 0.0)


@settings(max_examples=50)
@given(scans(), st.integers(0, 10**6))
def test_turning_the_cloud_keeps_heights_and_distances(scan, seed):
    after = move_cloud(scan, PairAugmentConfig(), np.random.default_rng(seed))
    apart = np.linalg.norm(scan.xyz_m[:, None][:20] - scan.xyz_m[None, :20], axis=-1)
    assert_allclose(np.linalg.norm(after.xyz_m[:, None][:20] - after.xyz_m[None, :20], axis=-1), apart, atol=1e-3)
    require_true_pairs(scan, after, 0.0)


def test_flips_mirror_half_of_the_clouds():
    scan = replace(coded_scan(0, [(9, 16)], 3, 3), xyz_m=np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    config = PairAugmentConfig()
    signs = [np.sign(np.linalg.det(move_cloud(scan, config, np.random.default_rng(seed)).xyz_m)) for seed in range(200)]
    assert 60 < signs.count(1.0) < 140
    still = move_cloud(scan, PairAugmentConfig(turn=False, flip_probability=0.0), np.random.default_rng(0))
    assert_array_equal(still.xyz_m, scan.xyz_m)


def test_a_dropped_cuboid_takes_its_points_and_their_pairs_and_nothing_else():
    scan = coded_scan(3, [(30, 40), (30, 40)], 400, 500)
    config = PairAugmentConfig(min_pairs=0, cuboid_extent=1.0)
    for seed in range(20):
        after = drop_cuboid(scan, config, np.random.default_rng(seed))
        left = np.round(after.intensity * 1024).astype(int)
        assert 0 < len(after) < len(scan)
        gone = np.setdiff1d(np.arange(400), left)
        low, high = scan.xyz_m[gone].min(axis=0), scan.xyz_m[gone].max(axis=0)
        assert not ((scan.xyz_m[left] > low) & (scan.xyz_m[left] < high)).all(axis=1).any()
        assert len(after.point_index) == np.isin(scan.point_index, left).sum()
        assert (high - low <= np.ptp(scan.xyz_m, axis=0)).all()


def test_a_cuboid_is_not_dropped_when_a_picture_would_keep_too_few_pairs():
    scan = coded_scan(3, [(30, 40), (30, 40)], 400, 500)
    config = PairAugmentConfig(min_pairs=501, cuboid_extent=1.0)
    assert all(len(drop_cuboid(scan, config, np.random.default_rng(seed))) == 400 for seed in range(20))


def test_a_picture_without_pairs_does_not_hold_back_the_cuboid():
    scan = coded_scan(3, [(30, 40)], 400, 400)
    scan = replace(scan, images=(*scan.images, coded_picture(1, 30, 40)), superpixels=None)
    after = drop_cuboid(scan, PairAugmentConfig(min_pairs=10, cuboid_extent=1.0), np.random.default_rng(0))
    assert len(after) < 400


def test_one_share_of_all_extents_gives_the_cuboid_the_proportions_of_the_cloud():
    lattice = np.stack(np.meshgrid(*[np.linspace(0, 1, 21)] * 3), axis=-1).reshape(-1, 3) * (40, 20, 4)
    nothing = np.zeros(0, np.int64)
    scan = replace(coded_scan(0, [], len(lattice), 0), xyz_m=lattice.astype(np.float32), point_index=nothing)
    config = PairAugmentConfig(min_pairs=0, cuboid_extent=1.0, cuboid_sides="one_share")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        centre = lattice[rng.integers(len(lattice))]
        share = rng.uniform(0.0, 1.0)  # half a side is share / 2 of the extent: DropCuboids of SLidR and OLIVINE
        inside = (np.abs(scan.xyz_m - centre) < np.array([40, 20, 4]) * share / 2).all(axis=1)
        assert len(drop_cuboid(scan, config, np.random.default_rng(seed))) == (~inside).sum()


def test_by_the_original_rule_any_picture_with_few_pairs_holds_back_the_cuboid():
    scan = coded_scan(3, [(30, 40)], 400, 400)
    scan = replace(scan, images=(*scan.images, coded_picture(1, 30, 40)), superpixels=None)
    config = PairAugmentConfig(min_pairs=10, cuboid_extent=1.0, cuboid_undone="any_image")
    assert len(drop_cuboid(scan, config, np.random.default_rng(0))) == 400


def test_scale_and_one_mirrored_axis_are_drawn_as_scalr_draws_them():
    scan = replace(coded_scan(0, [], 3, 0), xyz_m=np.eye(3, dtype=np.float32))
    config = PairAugmentConfig(turn=False, flip_probability=2 / 3, flip_axes="one", scale=(0.9, 1.1))
    moved = [move_cloud(scan, config, np.random.default_rng(seed)).xyz_m.diagonal() for seed in range(900)]
    signs = [tuple(np.sign(one)) for one in moved]
    shares = [signs.count(kind) / 900 for kind in ((1, 1, 1), (-1, 1, 1), (1, -1, 1))]
    assert_allclose(shares, 1 / 3, atol=0.05)
    factors = np.abs(moved)
    assert_allclose(factors, factors[:, :1] * np.ones(3))
    assert_allclose([factors.min(), factors.max()], [0.9, 1.1], atol=0.002)


def test_shuffled_points_keep_their_pairs():
    scan = coded_scan(2, [(30, 40), (20, 30)], 90, 150)
    after = shuffle_points(scan, np.random.default_rng(1))
    assert not np.array_equal(after.intensity, scan.intensity)
    require_true_pairs(scan, after, 0.0)


def test_a_scan_may_lose_all_its_points():
    scan = coded_scan(1, [(20, 30)], 50, 50)
    nothing = scan.take_points(np.zeros(50, bool))
    after = augment_pairs(nothing, PairAugmentConfig(image_size=(8, 16)), np.random.default_rng(0))
    assert len(after) == len(after.point_index) == 0
    assert after.images[0].shape == (8, 16, 3)


def test_a_crop_keeps_enough_pairs_of_each_picture():
    scan = coded_scan(5, [(60, 107)], 400, 400)
    scan = replace(
        scan, pixel_uv=(scan.pixel_uv * (0.2, 0.2)).astype(np.int32)
    )  # all in one corner: most crops miss it
    for seed in range(30):
        rng = np.random.default_rng(seed)
        assert len(resized_crop(scan, PairAugmentConfig(min_pairs=1024), rng).point_index) > 0.75 * 400
        assert len(resized_crop(scan, PairAugmentConfig(min_pairs=150), rng).point_index) > 150


def test_crops_have_the_area_and_the_shape_that_are_asked_for():
    scan = coded_scan(5, [(90, 160)], 0, 0)
    config = PairAugmentConfig(image_size=(64, 64))
    areas = []
    for seed in range(200):
        crop = resized_crop(scan, config, np.random.default_rng(seed)).superpixels[0]
        width, height = np.ptp(crop % 160) + 1, np.ptp(crop // 160) + 1  # nearest ids: at most two pixels short
        areas.append(width * height / (90 * 160))
        assert 14 / 9 - 0.1 < width / height < 17 / 9 + 0.1
    assert 0.27 < min(areas) < 0.4
    assert 0.9 < max(areas) <= 1.0


def test_equal_seeds_give_equal_scans_and_arguments_stay_as_they_were():
    scan = coded_scan(8, [(30, 40), (20, 30)], 100, 150)
    copy = coded_scan(8, [(30, 40), (20, 30)], 100, 150)
    first, second = (augment_pairs(scan, PairAugmentConfig(min_pairs=10), np.random.default_rng(4)) for _ in range(2))
    for name in ("xyz_m", "point_index", "image_index", "pixel_uv", "weak_class"):
        assert_array_equal(getattr(first, name), getattr(second, name))
        assert_array_equal(getattr(scan, name), getattr(copy, name))
    assert_array_equal(np.stack(first.images), np.stack(second.images))
