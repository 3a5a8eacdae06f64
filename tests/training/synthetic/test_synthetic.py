"""Synthetic streets: worlds, rays against a slow reference, sweeps and cameras."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.cameras.pairing import DepthImages, point_pixel_pairs
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.cloud_decoder import POINT_TIME
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree
from lidar_vl_core.sweeps.compensation import SweepCompensation

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.sensors.drive import SyntheticDrive, drive
from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.streets.layout import World, build_world
from offline_training.synthetic.world.materials import MANMADE, Material
from offline_training.synthetic.world.meshes import box, merged, surface

SMALL = replace(LIDARS["hdl32"], azimuth_steps=180)
PERFECT = replace(SMALL, range_sigma_m=0.0, loss=0.0)


@cache
def world(seed: int) -> World:
    return build_world(seed)


@cache
def scene(seed: int) -> Scene:
    return Scene(world(seed))


@cache
def scene_standing_still(seed: int) -> Scene:
    return Scene(replace(world(seed), ego_speed_m_s=0.0, actors=()))


def small_sweep(seed: int, time_s: float = 1.0, spec: LidarSpec = SMALL):
    return sweep(scene(seed), spec, time_s, 7, np.random.default_rng(0))


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes():
    first, second = build_world(3), build_world(3)
    for name in ("corners_m", "uv_m", "class_id", "material", "color_rgb"):
        assert_array_equal(getattr(first.static, name), getattr(second.static, name))
    assert_array_equal(first.paint, second.paint)
    a, b = small_sweep(3), sweep(Scene(second), SMALL, 1.0, 7, np.random.default_rng(0))
    assert a.xyz_m.tobytes() == b.xyz_m.tobytes()
    assert a.intensity.tobytes() == b.intensity.tobytes()
    assert_array_equal(a.extra["label"], b.extra["label"])


@pytest.mark.slow
def test_other_seeds_give_other_streets():
    assert len({world(seed).static.corners_m.tobytes() for seed in (0, 1, 3)}) == 3
    assert len({(world(seed).plan.lane_m, world(seed).plan.crossings) for seed in (0, 1, 3)}) == 3


@pytest.mark.slow
def test_every_class_is_met_within_five_drives():
    seen = np.zeros(256, int)
    for seed in range(5):
        for time_s in (0.0, 4.0, 8.0):
            seen += np.bincount(small_sweep(seed, time_s).extra["label"], minlength=256)
    assert (seen[:16] >= 10).all(), dict(zip(class_table("nuscenes16").names, seen, strict=False))
    assert seen[16:255].sum() == 0
    assert seen[255] < 0.02 * seen.sum()


def slow_first_hits(
    corners_m: np.ndarray, origin_m: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Range and triangle of the first hit of each ray (Moeller and Trumbore 1997), one ray at a time."""
    corners = corners_m.astype(np.float64)
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ranges, faces = [], []
    for start, way in zip(origin_m.astype(np.float64), direction.astype(np.float64), strict=True):
        cross = np.cross(way, ac)
        scale = np.einsum("ij,ij->i", ab, cross)
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = start - a
            u = np.einsum("ij,ij->i", offset, cross) / scale
            turned = np.cross(offset, ab)
            v = turned @ way / scale
            t = np.einsum("ij,ij->i", ac, turned) / scale
        t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
        faces.append(int(t.argmin()))
        ranges.append(float(t.min()))
    return np.array(ranges), np.array(faces)


def test_first_hits_equal_a_slow_reference():
    rng = np.random.default_rng(5)
    direction = rng.normal(size=(40, 3)) * [1, 1, 0.15]
    direction = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype(np.float32)
    start = scene(1).world.ego_pose(2.0).translation_m + np.array([0, 0, 1.8])
    origin = np.tile(start.astype(np.float32), (len(direction), 1))
    hits = scene(1).cast(origin, direction, 100.0, [])
    mesh = world(1).static
    ranges, faces = slow_first_hits(mesh.corners_m, origin, direction)
    ranges[ranges > 100.0] = np.inf
    assert_allclose(hits.range_m, ranges, rtol=1e-4)
    hit = np.isfinite(ranges)
    assert hit.sum() > 20
    assert_array_equal(hits.class_id[hit], mesh.class_id[faces[hit]])
    assert (hits.class_id[~hit] == 255).all()
    assert (np.einsum("ij,ij->i", hits.normal[hit], direction[hit]) <= 0).all()


def test_moving_things_are_hit_where_they_are_at_that_time():
    moving = scene(3)
    spec = replace(PERFECT, azimuth_steps=720)
    alone = Scene(replace(world(3), static=merged([]), ego_speed_m_s=0.0))
    cloud = sweep(alone, spec, 3.0, 0, np.random.default_rng(0))
    xyz_world_m = (alone.world.ego_pose(3.0) @ spec.T_base_lidar()).apply(cloud.xyz_m.astype(np.float64))
    inside = np.zeros(len(cloud), bool)
    for moment in np.unique(cloud.extra["time"]):
        rows = np.flatnonzero(cloud.extra["time"] == moment)
        positions, rotations = moving.actor_poses(3.0 + float(moment))
        for position, rotation, corners in zip(positions, rotations, moving.actor_corners_m, strict=True):
            local = (xyz_world_m[rows] - position) @ rotation
            inside[rows] |= ((local > corners.min(axis=0) - 0.05) & (local < corners.max(axis=0) + 0.05)).all(axis=1)
    assert len(cloud) > 50
    assert inside.all()


def test_labels_are_the_classes_of_the_meshes_hit():
    still = scene_standing_still(3)
    cloud = sweep(still, PERFECT, 0.0, 0, np.random.default_rng(0))
    T_world_lidar = still.world.ego_pose(0.0) @ PERFECT.T_base_lidar()
    origin = T_world_lidar.translation_m.astype(np.float32)
    way = T_world_lidar.apply(cloud.xyz_m.astype(np.float64)) - origin
    distance = np.linalg.norm(way, axis=1)
    direction = (way / distance[:, None]).astype(np.float32)
    hits = still.cast(np.tile(origin, (len(way), 1)), direction, 120.0, [])
    # Grass and leaves answer a little before their surface, and float32 may pass an edge on its other side.
    assert (hits.class_id == cloud.extra["label"]).mean() > 0.998
    assert np.percentile(np.abs(hits.range_m - distance), 90) < 0.04


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


@cache
def pictured_frame():
    return next(drive(3, 1, LIDARS["hdl32"], image_width=320))


def test_a_point_has_the_class_of_the_pixel_it_is_seen_at():
    frame = pictured_frame()
    views = [(view.camera, view.T_cam_lidar) for view in frame.views]
    pairs = point_pixel_pairs(
        frame.cloud.xyz_m, views, occlusion=DepthImages([view.depth_m for view in frame.views], relative_margin=0.02)
    )
    u, v = pairs.pixel_uv.T
    pixel_class = np.stack([view.class_id for view in frame.views])[pairs.camera_index, v, u]
    assert len(pairs) > 5000
    assert (pixel_class == frame.cloud.extra["label"][pairs.point_index]).mean() >= 0.97


def test_pictures_have_light_and_shade_and_a_sky():
    for view in pictured_frame().views:
        assert view.rgb.shape == (180, 320, 3)
        assert view.rgb.dtype == np.uint8
        assert view.rgb.std() > 15
        sky = np.isinf(view.depth_m)
        assert (view.class_id[sky] == 255).all()
        assert (view.depth_m[~sky] > 0).all()
        assert len(np.unique(view.class_id)) >= 4


def test_a_picture_of_a_seed_is_always_the_same():
    again = SyntheticDrive(3, LIDARS["hdl32"], image_width=320).frame(0)
    assert_array_equal(again.views[2].rgb, pictured_frame().views[2].rgb)
    assert_array_equal(again.cloud.xyz_m, pictured_frame().cloud.xyz_m)
