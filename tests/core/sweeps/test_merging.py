"""Clouds of several LiDARs as one: each seen from its own place and time, the main cloud untouched."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.merging import PlacedCloud, merged_clouds

STILL = RigidTransform.identity()


def _cloud(xyz_m, frame_id="main", origin_m=(0.0, 0.0, 0.0), **extra):
    xyz_m = np.asarray(xyz_m, np.float32).reshape(-1, 3)
    return PointCloud(xyz_m, np.full(len(xyz_m), 0.5, np.float32), 9, frame_id, extra, origin_m)


def _pose(rng):
    xyzw = rng.normal(size=4)
    return RigidTransform.from_quaternion(xyzw / np.linalg.norm(xyzw), rng.uniform(-20, 20, 3))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.booleans())
def test_a_thing_that_several_lidars_see_is_in_one_place(seed, others, far_away):
    rng = np.random.default_rng(seed)
    world_m, T_world_main = rng.uniform(-30, 30, (20, 3)), _pose(rng)
    origin_m = tuple(rng.uniform(-1e5, 1e5, 3)) if far_away else (0.0, 0.0, 0.0)
    main = _cloud(T_world_main.inverse().apply(world_m) - origin_m, origin_m=origin_m)
    placed = []
    for number in range(others):
        T_world_other = _pose(rng)
        cloud = _cloud(T_world_other.inverse().apply(world_m), f"other{number}")
        placed.append(PlacedCloud(cloud, T_world_main.inverse() @ T_world_other))
    merged = merged_clouds(main, placed)
    assert (merged.frame_id, merged.stamp_ns, merged.origin_m) == ("main", 9, origin_m)
    np.testing.assert_allclose(merged.xyz_m.reshape(others + 1, -1, 3), [main.xyz_m] * (others + 1), atol=0.02)


def test_the_main_cloud_keeps_every_point_and_of_the_others_only_what_met_something_comes():
    main = _cloud([[0, 0, 0], [np.nan] * 3, [1, 2, 3]])
    other = PlacedCloud(_cloud([[0, 0, 0], [np.nan] * 3, [1, 1, 1]], "other"), RigidTransform(np.eye(3), np.ones(3)))
    merged = merged_clouds(main, [other])
    np.testing.assert_array_equal(merged.xyz_m, [[0, 0, 0], [np.nan] * 3, [1, 2, 3], [2, 2, 2]])
    assert merged.intensity.tolist() == [0.5] * 4


def test_fields_stay_where_every_lidar_has_them_alike():
    rings = {"ring": np.array([1], np.uint8), "echo": np.array([1], np.uint8)}
    main, same = _cloud([[1, 1, 1]], **rings), _cloud([[2, 2, 2]], ring=np.array([7], np.uint8))
    wider = _cloud([[2, 2, 2]], ring=np.array([7], np.uint16))
    assert {name: list(column) for name, column in merged_clouds(main, [PlacedCloud(same, STILL)]).extra.items()} == {
        "ring": [1, 7]
    }
    assert merged_clouds(main, [PlacedCloud(wider, STILL)]).extra == {}


def test_without_others_or_with_empty_ones_the_main_cloud_is_handed_back():
    main = _cloud([[1, 1, 1]], ring=np.array([1], np.uint8))
    assert merged_clouds(main, []) is main
    assert merged_clouds(main, [PlacedCloud(_cloud(np.zeros((0, 3)), "other"), STILL)]) is main
