"""The wide world beside the streets: roads, grounds, sensors and disturbances; the streets stay what they were."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset, SyntheticSource
from offline_training.synthetic.sensors import disturbances
from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.sensors.wide_lidars import HDL64_DEG, wide_lidar
from offline_training.synthetic.streets.layout import World, build_world
from offline_training.synthetic.wide.layout import build_wide_world
from offline_training.synthetic.wide.objects import LOW_GRASS_M, grass
from offline_training.synthetic.wide.plan import country_plan, highway_plan, residential_plan
from offline_training.synthetic.world.materials import TERRAIN, VEGETATION

SMALL = replace(LIDARS["hdl64"], azimuth_steps=180)


@cache
def wide_world(seed: int) -> World:
    return build_wide_world(seed)


def a_cloud(count: int = 4000) -> PointCloud:
    """Points all around below and above the horizon, 2 to 60 m away, of class 10."""
    rng = np.random.default_rng(0)
    way = rng.normal(size=(count, 3)) * [1, 1, 0.2]
    xyz_m = way / np.linalg.norm(way, axis=1, keepdims=True) * rng.uniform(2, 60, (count, 1))
    return PointCloud(
        xyz_m=xyz_m.astype(np.float32),
        intensity=np.full(count, 0.5, np.float32),
        stamp_ns=1,
        frame_id="lidar_top",
        extra={"ring": np.arange(count, dtype=np.uint16) % 64, "label": np.full(count, 10, np.uint8)},
    )


@pytest.mark.slow
def test_the_streets_are_what_they_were_before_the_wide_world():
    world = build_world(1007)
    assert np.bincount(world.static.class_id, minlength=16)[:16].tolist() == [
        768, 19008, 528, 21274, 1310, 3568, 14632, 3828, 1268, 2108, 1290, 880, 2034, 3664, 77194, 84462,
    ]  # fmt: skip
    assert_allclose(world.static.corners_m.astype(np.float64).mean(axis=(0, 1)), [11.7192, 5.4790, 3.9902], atol=1e-3)


def test_varieties_have_entries_of_their_own_in_the_cache(tmp_path):
    streets = SyntheticDataset([1], 1, tmp_path, LIDARS["hdl32"])._path(1, 0)
    wide = SyntheticDataset([1], 1, tmp_path, LIDARS["hdl32"], variety="wide")._path(1, 0)
    assert streets != wide
    assert SyntheticDataset([1], 1, tmp_path)._path(1, 0).name == "00001_000_91af0adc4f198282.npz"  # as ever
    assert SyntheticSource(folder="x").variety == "streets"


@pytest.mark.slow
def test_equal_seeds_give_equal_wide_worlds():
    again = build_wide_world(2)
    for name in ("corners_m", "uv_m", "class_id", "material", "color_rgb"):
        assert_array_equal(getattr(again.static, name), getattr(wide_world(2).static, name))
    assert len(again.actors) == len(wide_world(2).actors)


@pytest.mark.slow
def test_residential_worlds_show_two_wheelers_people_grass_and_plants():
    seen = np.zeros(256, int)
    for seed in (2, 6):
        cloud = sweep(Scene(wide_world(seed)), SMALL, 1.0, 7, np.random.default_rng(0))
        seen += np.bincount(cloud.extra["label"], minlength=256)
    assert (seen[[1, 3, 6, 10, 13, 14, 15]] >= 10).all(), seen[:16]
    assert seen[16:255].sum() == 0


@pytest.mark.parametrize("make", [residential_plan, highway_plan, country_plan])
def test_roads_stay_smooth_where_the_ground_beside_them_is_uneven(make):
    plan = make(np.random.default_rng(3))
    flat = replace(plan, bumps=np.zeros((0, 4)))
    s = np.linspace(0, plan.length_m, 200)
    road = np.linspace(-plan.edge_m(-1), plan.edge_m(1), 9)
    for d in road:
        assert_allclose(plan.ground_z(s, 0 * s + d), flat.ground_z(s, 0 * s + d), atol=1e-9)
    behind = plan.walk_end_m(1) + 10.0
    assert np.abs(plan.ground_z(s, 0 * s + behind) - flat.ground_z(s, 0 * s + behind)).max() > 0.02


@pytest.mark.parametrize(("height_m", "class_id"), [(LOW_GRASS_M, TERRAIN), (0.5, VEGETATION)])
def test_low_grass_is_terrain_and_tall_grass_vegetation(height_m, class_id):
    blades = grass(np.random.default_rng(0), residential_plan(np.random.default_rng(0)), (50, 60), (8, 12), height_m)
    assert len(blades) > 100
    assert (blades.class_id == class_id).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_wide_sensors_could_be_built(seed):
    spec = wide_lidar(np.random.default_rng(seed))
    assert spec == wide_lidar(np.random.default_rng(seed))
    assert 16 <= len(spec.elevation_deg) <= 128
    assert (np.diff(spec.elevation_deg) >= 0).all()
    assert -0.5 <= spec.origin_height_m <= 2.75


def test_the_hdl64_has_two_blocks_of_lasers():
    steps = np.diff(HDL64_DEG)
    assert (HDL64_DEG[0], HDL64_DEG[-1]) == pytest.approx((-24.33, 2.0))
    assert_allclose(steps[:31], 0.5)
    assert_allclose(steps[32:], 1 / 3)


@pytest.mark.parametrize("seed", range(12))
def test_disturbed_points_keep_their_class_or_have_none(seed):
    cloud, rng = a_cloud(), np.random.default_rng(seed)
    changed = disturbances.disturbed(cloud, LIDARS["hdl64"], rng)
    assert set(np.unique(changed.extra["label"])) <= {10, IGNORE_ID}
    assert 0 < len(changed) <= len(cloud)
    assert np.isfinite(changed.xyz_m).all()
    assert changed.intensity.min() >= 0
    assert changed.intensity.max() <= 1


def test_pulses_without_return_are_at_zero_and_have_no_class():
    cloud = disturbances._no_returns(a_cloud(), np.random.default_rng(1))
    gone = (cloud.xyz_m == 0).all(axis=1)
    assert gone.sum() >= 20
    assert_array_equal(cloud.extra["label"][gone], IGNORE_ID)
    assert (cloud.extra["label"][~gone] == 10).all()


def test_drops_of_rain_are_nearer_than_what_they_hide_and_have_no_class():
    cloud = disturbances._rain(a_cloud(), np.random.default_rng(1))
    drops = cloud.extra["label"] == IGNORE_ID
    assert 0 < drops.sum() < 0.1 * len(cloud)
    range_m = np.linalg.norm(cloud.xyz_m, axis=1)
    assert np.median(range_m[drops]) < np.median(range_m[~drops])


def test_points_on_the_own_car_are_below_the_sensor_and_near_it():
    spec = LIDARS["hdl64"]
    cloud = disturbances._own_car(a_cloud(), spec, np.random.default_rng(1))
    own = cloud.extra["label"] == IGNORE_ID
    assert own.sum() > 10
    assert (np.abs(cloud.xyz_m[own, 1]) < 0.9).all()
    assert (cloud.xyz_m[own, 2] < -0.3).all()
    assert_array_equal(cloud.xyz_m[~own], a_cloud().xyz_m[~own])
