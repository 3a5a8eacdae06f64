"""Sweeps of synthetic streets: they keep to their sensor, and motion bends them as it bends real ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.clouds.cloud_decoder import POINT_TIME
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree
from lidar_vl_core.sweeps.compensation import SweepCompensation

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.world.materials import MANMADE, Material
from offline_training.synthetic.world.meshes import box, surface
from tests.training.synthetic.kept_streets import PERFECT, scene, scene_standing_still, small_sweep, world


@pytest.mark.parametrize("name", sorted(LIDARS))
def test_points_keep_to_the_sensor_they_come_from(name):
    spec = replace(LIDARS[name], azimuth_steps=120)
    cloud = sweep(scene_standing_still(1), spec, 1.0, 7, np.random.default_rng(0))
    beam_m = cloud.xyz_m - np.array([0, 0, spec.height_m - spec.origin_height_m], np.float32)
    range_m = np.linalg.norm(beam_m, axis=1)
    assert range_m.min() > spec.min_range_m - 0.3
    assert range_m.max() <= spec.max_range_m + 1e-3
    elevation = np.degrees(np.arcsin(beam_m[:, 2] / range_m))
    assert_allclose(elevation, np.array(spec.elevation_deg)[cloud.extra["ring"]], atol=0.15)
    assert cloud.intensity.min() >= 0
    assert cloud.intensity.max() <= 1
    assert cloud.extra["time"].min() >= -1 / spec.rate_hz
    assert cloud.extra["time"].max() <= 0
    assert cloud.extra["label"].dtype == np.uint8
    assert cloud.extra["ring"].dtype == np.uint16


def test_a_sweep_of_hdl32_has_about_as_many_points_as_nuscenes_has():
    assert 24_000 < np.median([len(small_sweep(seed, spec=LIDARS["hdl32"])) for seed in (0, 1, 3)]) < 34_720


def test_the_frame_may_lie_lower_than_the_beams():
    low = sweep(scene(1), replace(PERFECT, frame_height_m=0.3), 1.0, 0, np.random.default_rng(0))
    high = sweep(scene(1), PERFECT, 1.0, 0, np.random.default_rng(0))
    assert_allclose(low.xyz_m - high.xyz_m, np.tile([0, 0, PERFECT.height_m - 0.3], (len(low), 1)), atol=1e-3)


def test_a_random_sensor_depends_on_its_seed_alone():
    assert LidarSpec.random(np.random.default_rng(4)) == LidarSpec.random(np.random.default_rng(4))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_sensors_could_be_built(seed):
    spec = LidarSpec.random(np.random.default_rng(seed))
    assert 16 <= len(spec.elevation_deg) <= 128
    assert (np.diff(spec.elevation_deg) >= 0).all()
    assert -35 < spec.elevation_deg[0] < spec.elevation_deg[-1] < 17
    assert 0.3 <= spec.height_m <= 2.6
    assert spec.azimuth_steps * len(spec.elevation_deg) <= 80_000
    assert max(abs(spec.roll_rad), abs(spec.pitch_rad)) < np.radians(2)


def wall_scene() -> tuple[Scene, RigidTransform]:
    """A vehicle at 12 m/s towards a wall 25 m ahead; the wall's frame has its face in x = 0."""
    standing = replace(world(1), actors=(), ego_speed_m_s=12.0)
    ahead = standing.ego_pose(1.0)
    T_world_wall = RigidTransform(ahead.rotation, ahead.apply(np.array([[25.0, 0.0, 0.0]]))[0])
    mesh = surface(box((0.5, 0, 2), (1.0, 60, 14)), MANMADE, Material.PLASTER, (200, 200, 200))
    placed = mesh.placed(T_world_wall.translation_m, T_world_wall.rotation)
    return Scene(replace(standing, static=placed)), T_world_wall


def test_a_wall_is_flat_in_a_motion_compensated_sweep():
    walled, T_world_wall = wall_scene()
    cloud = sweep(walled, replace(PERFECT, rate_hz=10.0), 1.0, 0, np.random.default_rng(0))
    T_wall_lidar = T_world_wall.inverse() @ walled.world.ego_pose(1.0) @ PERFECT.T_base_lidar()
    assert len(cloud) > 500
    assert np.abs(T_wall_lidar.apply(cloud.xyz_m)[:, 0]).max() < 0.01


def test_a_wall_bent_by_motion_is_straightened_by_the_transforms_at_each_points_time():
    walled, T_world_wall = wall_scene()
    spec = replace(PERFECT, rate_hz=10.0, motion_compensated=False)
    cloud = sweep(walled, spec, 1.0, 1_000_000_000, np.random.default_rng(0))
    T_wall_lidar = T_world_wall.inverse() @ walled.world.ego_pose(1.0) @ spec.T_base_lidar()
    bent = T_wall_lidar.apply(cloud.xyz_m)[:, 0]
    assert bent.min() > 0.3  # the vehicle was that much farther away
    assert np.ptp(bent) > 0.15

    tree = TransformTree()
    tree.add("base_link", "lidar_top", None, spec.T_base_lidar())
    for stamp_ns in range(900_000_000, 1_000_000_001, 20_000_000):
        tree.add("map", "base_link", stamp_ns, walled.world.ego_pose(stamp_ns / 1e9))
    straight = np.empty(len(cloud))
    for moment in np.unique(cloud.extra["time"]):
        rows = cloud.extra["time"] == moment
        T_map_lidar = tree.lookup("map", "lidar_top", min(round((1.0 + float(moment)) * 1e9), 1_000_000_000))
        straight[rows] = (T_world_wall.inverse() @ T_map_lidar).apply(cloud.xyz_m[rows])[:, 0]
    assert np.abs(straight).max() < 0.02


def test_a_raw_sweep_that_is_compensated_is_what_a_compensating_sensor_sends():
    walled, _ = wall_scene()
    stamp_ns, spec = 1_700_000_000_000_000_000, replace(PERFECT, rate_hz=10.0, motion_compensated=False)
    raw, sent = (
        sweep(walled, replace(spec, motion_compensated=sends), 1.0, stamp_ns, np.random.default_rng(0))
        for sends in (False, True)
    )

    def moved(frame, now_ns, then_ns):
        poses = [walled.world.ego_pose(1.0 + (ns - stamp_ns) / 1e9) @ spec.T_base_lidar() for ns in (now_ns, then_ns)]
        return poses[0].inverse() @ poses[1]

    timed = replace(raw, extra={POINT_TIME: raw.extra["time"]})
    found = SweepCompensation().compensated(timed, moved)
    assert found.problem is None
    assert np.abs(raw.xyz_m - sent.xyz_m).max() > 0.5
    assert_allclose(found.cloud.xyz_m, sent.xyz_m, atol=0.01)
