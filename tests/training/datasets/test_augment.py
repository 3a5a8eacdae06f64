"""Augmentation: labels go with their points, rigid parts keep distances, and everything repeats by its seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.datasets.augment.point_augment import (
    AugmentConfig,
    LabelledScan,
    augment,
    crop_range,
    drop_beams,
    drop_points,
    elevation_ring,
    moved,
    paste_turned,
    swap_sectors,
    with_intensity_change,
)

seeds = st.integers(0, 100_000)
RIGID = AugmentConfig(scale=(1.0, 1.0), jitter_m=0.0)


def scan_of(seed: int, count: int = 200, ring: bool = True) -> LabelledScan:
    """A scan in which every point's class is the remainder of its number, and its intensity names the point."""
    rng = np.random.default_rng(seed)
    xyz_m = rng.uniform(-40, 40, (count, 3)).astype(np.float32)
    xyz_m[:, 2] = rng.uniform(-2, 3, count)
    number = np.arange(count)
    intensity = (number / max(count, 1)).astype(np.float32)
    return LabelledScan(
        xyz_m, intensity, (number % 16).astype(np.uint8), (number % 32).astype(np.uint16) if ring else None
    )


def distances(xyz_m: np.ndarray) -> np.ndarray:
    xyz_m = xyz_m.astype(np.float64)
    return np.linalg.norm(xyz_m[1:] - xyz_m[:-1], axis=1)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_turns_flips_and_shifts_keep_all_distances(seed):
    scan = scan_of(seed)
    result = moved(scan, RIGID, np.random.default_rng(seed))
    np.testing.assert_allclose(distances(result.xyz_m), distances(scan.xyz_m), rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.5, 2.0))
def test_scaling_scales_all_distances_alike(seed, factor):
    scan, config = scan_of(seed), AugmentConfig(scale=(factor, factor), jitter_m=0.0)
    result = moved(scan, config, np.random.default_rng(seed))
    np.testing.assert_allclose(distances(result.xyz_m), factor * distances(scan.xyz_m), rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_sensor_stays_upright_within_the_tilt(seed):
    config = AugmentConfig(scale=(1.0, 1.0), jitter_m=0.0, shift_xy_m=0.0, shift_z_m=0.0, tilt_rad=0.05)
    up = LabelledScan(np.array([[0, 0, 1]], np.float32), np.zeros(1, np.float32), np.zeros(1, np.uint8))
    assert moved(up, config, np.random.default_rng(seed)).xyz_m[0, 2] >= np.cos(0.05) ** 2 - 1e-6


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_jitter_moves_no_point_by_more_than_three_sigma_per_axis(seed):
    scan, rng = scan_of(seed), np.random.default_rng
    still = moved(scan, RIGID, rng(seed))
    shaken = moved(scan, AugmentConfig(scale=(1.0, 1.0), jitter_m=0.02), rng(seed))
    assert np.abs(shaken.xyz_m - still.xyz_m).max() <= 0.06 + 1e-4


@settings(max_examples=50, deadline=None)
@given(seeds, st.booleans())
def test_what_is_dropped_takes_its_label_along(seed, with_ring):
    scan, rng = scan_of(seed, ring=with_ring), np.random.default_rng(seed)
    for smaller in (drop_beams(scan, 16, rng), drop_points(scan, 0.5, rng), crop_range(scan, 30.0)):
        number = np.rint(smaller.intensity * len(scan)).astype(int)
        np.testing.assert_array_equal(smaller.class_id, scan.class_id[number])
        np.testing.assert_array_equal(smaller.xyz_m, scan.xyz_m[number])


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_beams_go_or_stay_as_a_whole(seed):
    scan = scan_of(seed)
    left = drop_beams(scan, 16, np.random.default_rng(seed))
    assert scan.ring is not None
    assert left.ring is not None
    for ring in np.unique(left.ring):
        assert (left.ring == ring).sum() == (scan.ring == ring).sum()


def test_nearly_every_draw_leaves_beams_out():
    scan = scan_of(0)
    assert sum(len(drop_beams(scan, 16, np.random.default_rng(seed))) < len(scan) for seed in range(100)) > 90


def test_elevation_bins_stand_for_rings_in_order_of_height():
    elevation = np.deg2rad(np.repeat(np.linspace(-25, 15, 32), 50))
    xyz_m = np.stack([20 * np.cos(elevation), 0 * elevation, 20 * np.sin(elevation)], axis=1).astype(np.float32)
    ring = elevation_ring(xyz_m, 32)
    assert (np.diff(ring) >= 0).all()
    assert len(np.unique(ring)) >= 28


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_a_mixed_scan_has_each_point_with_its_own_label(seed):
    scan, rng = scan_of(seed), np.random.default_rng(seed)
    other = scan_of(seed + 1)
    other = LabelledScan(other.xyz_m, other.intensity, other.class_id + np.uint8(16))
    for mixed in (swap_sectors(scan, other, rng), paste_turned(scan, other, (17, 18), rng)):
        number = np.rint(mixed.intensity * 200).astype(int)
        np.testing.assert_array_equal(mixed.class_id % 16, number % 16)
        own = mixed.class_id < 16
        np.testing.assert_array_equal(mixed.xyz_m[own], scan.xyz_m[number[own]])
    assert set(mixed.class_id[~own]) <= {17, 18}


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_swapped_sectors_do_not_overlap(seed):
    scan, other = scan_of(seed), scan_of(seed + 1)
    other = LabelledScan(other.xyz_m, other.intensity, other.class_id + np.uint8(16))
    mixed = swap_sectors(scan, other, np.random.default_rng(seed))
    azimuth = np.arctan2(mixed.xyz_m[:, 1], mixed.xyz_m[:, 0])
    owner = (mixed.class_id >= 16)[np.argsort(azimuth)]
    assert (owner != np.roll(owner, 1)).sum() <= 2


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_intensity_stays_between_zero_and_one_and_in_order(seed):
    scan = scan_of(seed)
    changed = with_intensity_change(scan, AugmentConfig(), np.random.default_rng(seed))
    assert changed.intensity.dtype == np.float32
    assert changed.intensity.min() >= 0
    assert changed.intensity.max() <= 1
    assert (np.diff(changed.intensity) >= 0).all()
    np.testing.assert_array_equal(changed.class_id, scan.class_id)


@settings(max_examples=50, deadline=None)
@given(seeds, st.sampled_from([0, 1, 2, 300]))
def test_the_whole_of_it_repeats_by_its_seed_and_leaves_its_arguments_alone(seed, count):
    config = AugmentConfig(paste_classes=(1, 2, 3), mix_probability=0.7, paste_probability=0.7)
    scan, other = scan_of(seed, count), scan_of(seed + 1)
    before = scan.xyz_m.copy(), scan.intensity.copy()
    first, second = (augment(scan, config, np.random.default_rng(seed), lambda: other) for _ in range(2))
    np.testing.assert_array_equal(first.xyz_m, second.xyz_m)
    np.testing.assert_array_equal(first.class_id, second.class_id)
    assert len(first.xyz_m) == len(first.intensity) == len(first.class_id)
    assert first.xyz_m.dtype == np.float32
    assert np.isfinite(first.xyz_m).all()
    np.testing.assert_array_equal(scan.xyz_m, before[0])
    np.testing.assert_array_equal(scan.intensity, before[1])


@pytest.mark.parametrize("seed", range(5))
def test_without_a_second_scan_no_class_appears_that_was_not_there(seed):
    result = augment(scan_of(seed), AugmentConfig(mix_probability=1.0), np.random.default_rng(seed))
    assert len(result) <= 200
