"""Voxel features: means over the voxel's points, equal to a slow loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud
from lidar_vl_core.voxels.features import FEATURE_NAMES, ground_height_m, voxel_features
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise

CARTESIAN = VoxelGrid("cartesian", (0.5, 0.4, 0.3), (-8.0, -8.0, -2.0, 8.0, 8.0, 2.0))
CYLINDRICAL = VoxelGrid("cylindrical", (0.5, math.pi / 9, 0.3), (0.0, 0.0, -2.0, 9.0, 2 * math.pi, 2.0))


def reference_features(xyz_m: np.ndarray, intensity: np.ndarray, rgb: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """All features, voxel by voxel, point by point."""
    voxels, ground_m = voxelise(xyz_m, grid), ground_height_m(xyz_m)
    rows = []
    for voxel, cell in enumerate(voxels.coords.tolist()):
        points = xyz_m[voxels.point_to_voxel == voxel].astype(np.float64)
        bright = np.nan_to_num(intensity[voxels.point_to_voxel == voxel], nan=0, posinf=0, neginf=0)
        axes = points.copy()
        if grid.kind == "cylindrical":
            axes[:, 0] = np.hypot(points[:, 0], points[:, 1])
            phi = np.arctan2(points[:, 1], points[:, 0])
            phi = np.where(phi < 0, phi + 2 * math.pi, phi)
            axes[:, 1] = np.where(phi < 2 * math.pi, phi, 0.0)  # just below 0 rounds to a full turn
        centre = [grid.range_min[a] + (cell[a] + 0.5) * grid.voxel_size[a] for a in range(3)]
        offset = (axes.mean(axis=0) - centre) / grid.voxel_size
        height = (points[:, 2].mean() - ground_m) / 3.0
        mean = axes.mean(axis=0)
        distance = (mean[0] if grid.kind == "cylindrical" else math.hypot(mean[0], mean[1])) / 50.0
        row = [1.0, bright.mean(dtype=np.float64), height, distance, *offset, math.log1p(len(points))]
        colour = rgb[voxels.point_to_voxel == voxel].mean(axis=0) / 127.5 - 1.0
        rows.append([*row, 255.0 * bright[0], 1.0 + bright[0], *colour])
    return np.array(rows).reshape(-1, 13)


def some_colours(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3), np.uint8)


coordinate = st.one_of(
    st.floats(-9, 9, width=32), st.sampled_from(np.array([np.nan, np.inf, 1e38, -0.0], np.float32).tolist())
)


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(3)), elements=coordinate),
    st.sampled_from([CARTESIAN, CYLINDRICAL]),
    st.integers(0, 2**32 - 1),
)
def test_features_are_the_means_over_the_points_of_each_voxel(xyz_m, grid, seed):
    intensity = np.random.default_rng(seed).uniform(0, 1, len(xyz_m)).astype(np.float32)
    intensity[::7] = np.nan
    rgb = some_colours(len(xyz_m))
    features = voxel_features(xyz_m, intensity, voxelise(xyz_m, grid), grid, FEATURE_NAMES, rgb=rgb)
    assert features.dtype == np.float32
    assert features.shape[1] == len(FEATURE_NAMES)
    np.testing.assert_allclose(features, reference_features(xyz_m, intensity, rgb, grid), rtol=1e-5, atol=2e-6)


@given(st.lists(st.sampled_from(FEATURE_NAMES), min_size=1, max_size=10))
def test_columns_come_in_the_order_asked_for(names):
    xyz_m = np.random.default_rng(1).uniform(-8, 8, (50, 3)).astype(np.float32)
    intensity = np.linspace(0, 1, 50, dtype=np.float32)
    voxels = voxelise(xyz_m, CARTESIAN)
    rgb = some_colours(50)
    every = voxel_features(xyz_m, intensity, voxels, CARTESIAN, FEATURE_NAMES, rgb=rgb)
    some = voxel_features(xyz_m, intensity, voxels, CARTESIAN, names, rgb=rgb)
    assert np.array_equal(some, every[:, [FEATURE_NAMES.index(name) for name in names]])


def test_the_first_point_of_a_voxel_is_the_first_in_the_order_of_the_cloud():
    xyz_m = np.array(
        [[50, 0, 0], [0.1, 0.1, 0.1], [1.1, 0.1, 0.1], [0.2, 0.1, 0.1]], np.float32
    )  # the first is outside
    intensity = np.array([0.9, 0.2, 0.4, 0.6], np.float32)
    names = ("first_intensity_255", "first_intensity_plus_1")
    features = voxel_features(xyz_m, intensity, voxelise(xyz_m, CARTESIAN), CARTESIAN, names)
    np.testing.assert_allclose(features, [[51.0, 1.2], [102.0, 1.4]], rtol=1e-6)


def test_the_same_cloud_gives_the_same_bits_again():
    xyz_m = np.random.default_rng(2).normal(0, 4, (20_000, 3)).astype(np.float32)
    intensity = np.random.default_rng(3).uniform(0, 1, 20_000).astype(np.float32)
    voxels = voxelise(xyz_m, CARTESIAN)
    rgb = some_colours(20_000)
    first = voxel_features(xyz_m, intensity, voxels, CARTESIAN, FEATURE_NAMES, rgb=rgb)
    assert first.tobytes() == voxel_features(xyz_m, intensity, voxels, CARTESIAN, FEATURE_NAMES, rgb=rgb).tobytes()


def test_a_cloud_without_colours_is_refused_where_they_are_asked_for():
    xyz_m = np.zeros((3, 3), np.float32)
    for rgb in (None, np.zeros((2, 3), np.uint8)):
        with pytest.raises(BadPointCloud, match="colours of 3 points"):
            voxel_features(xyz_m, np.zeros(3, np.float32), voxelise(xyz_m, CARTESIAN), CARTESIAN, ("red",), rgb=rgb)


def test_the_ground_is_found_below_cars_and_above_stray_echoes():
    rng = np.random.default_rng(4)
    ground = np.column_stack([rng.uniform(-25, 25, (4000, 2)), rng.normal(-1.8, 0.02, 4000)])
    cars = np.column_stack([rng.uniform(5, 12, (800, 2)), rng.uniform(-1.5, 0, 800)])
    below = np.column_stack([rng.uniform(-20, 20, (20, 2)), np.full(20, -9.0)])
    assert ground_height_m(np.concatenate([ground, cars, below]).astype(np.float32)) == pytest.approx(-1.83, abs=0.05)


@pytest.mark.parametrize(
    "xyz_m",
    [
        np.zeros((0, 3), np.float32),
        np.full((5, 3), np.nan, np.float32),
        np.array([[1e38, 1e38, 5]], np.float32),
        np.array([[0.5, 0.5, 5], [100, 0, 5], [5, 0, math.inf]], np.float32),
    ],
)
def test_where_no_point_shows_the_ground_it_is_at_zero(xyz_m):
    assert ground_height_m(xyz_m) == 0.0


def test_no_voxels_have_no_features_but_the_columns():
    xyz_m = np.full((3, 3), np.nan, np.float32)
    features = voxel_features(xyz_m, np.ones(3, np.float32), voxelise(xyz_m, CARTESIAN), CARTESIAN, ["one", "height"])
    assert features.shape == (0, 2)


@pytest.mark.parametrize("names", [["one", "colour"], []])
def test_an_unknown_or_missing_feature_is_refused(names):
    xyz_m = np.zeros((1, 3), np.float32)
    with pytest.raises(BadConfig, match="features"):
        voxel_features(xyz_m, np.zeros(1, np.float32), voxelise(xyz_m, CARTESIAN), CARTESIAN, names)


def test_another_cloud_than_the_voxelised_one_is_refused():
    voxels = voxelise(np.zeros((3, 3), np.float32), CARTESIAN)
    with pytest.raises(BadPointCloud, match="one per point"):
        voxel_features(np.zeros((2, 3), np.float32), np.zeros(2, np.float32), voxels, CARTESIAN, ["one"])
