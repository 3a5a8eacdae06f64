"""Synthetic streets: worlds of a seed, and rays against a slow reference."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.streets.layout import build_world
from offline_training.synthetic.world.meshes import merged
from tests.training.synthetic.kept_streets import PERFECT, SMALL, scene, scene_standing_still, small_sweep, world


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
