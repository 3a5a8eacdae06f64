"""Sweeps joined to one cloud: a world that stands still stays where it is, whatever the sensor did, and the work is bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadPointCloud, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.history import SweepHistory
from lidar_vl_core.sweeps.joining import TIME_LAG, EarlierSweep, joined_sweeps

S = 1_000_000_000
STILL = RigidTransform.identity()


def _cloud(xyz_m, stamp_ns, frame_id="lidar", origin_m=(0.0, 0.0, 0.0), **extra):
    xyz_m = np.asarray(xyz_m, np.float32).reshape(-1, 3)
    return PointCloud(xyz_m, np.full(len(xyz_m), 0.5, np.float32), stamp_ns, frame_id, extra, origin_m)


def _pose(x_m, y_m, yaw_rad):
    """T_world_lidar."""
    return RigidTransform.from_quaternion((0, 0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)), (x_m, y_m, 1.8))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_points_of_a_world_that_stands_still_fall_on_the_newest_sweep_s(seed, sweeps):
    rng = np.random.default_rng(seed)
    world_m = rng.uniform(-30, 30, (50, 3))
    poses = [_pose(*rng.uniform(-5, 5, 2), rng.uniform(-np.pi, np.pi)) for _ in range(sweeps + 1)]
    seen = [_cloud(pose.inverse().apply(world_m), (number + 1) * S) for number, pose in enumerate(poses)]
    earlier = [
        EarlierSweep(cloud, poses[-1].inverse() @ pose) for cloud, pose in zip(seen[:-1], poses[:-1], strict=True)
    ]
    joined = joined_sweeps(seen[-1], earlier, 10_000)
    for lag in range(1, sweeps + 1):
        of_sweep = joined.xyz_m[joined.extra[TIME_LAG] == lag]
        then = seen[sweeps - lag].xyz_m
        far = ~(np.abs(then[:, :2]) < 1.0).all(axis=1)
        np.testing.assert_allclose(of_sweep, seen[-1].xyz_m[far], atol=1e-3)


def test_the_newest_sweep_comes_first_and_as_it_came():
    newest = _cloud([[np.nan] * 3, [0, 0, 0], [0.1, 0, 0]], 2 * S, ring=np.arange(3, dtype=np.uint8))
    joined = joined_sweeps(newest, [EarlierSweep(_cloud([[5, 0, 0]], S), STILL)], 100)
    np.testing.assert_array_equal(joined.xyz_m[:3], newest.xyz_m)
    assert joined.extra[TIME_LAG].tolist() == [0, 0, 0, 1]
    assert (joined.stamp_ns, joined.frame_id, list(joined.extra)) == (2 * S, "lidar", [TIME_LAG])


def test_fields_that_all_sweeps_have_are_kept():
    newest, then = (_cloud([[5, 0, 0]], s * S, ring=np.array([s], np.uint8)) for s in (2, 1))
    assert joined_sweeps(newest, [EarlierSweep(then, STILL)], 9).extra["ring"].tolist() == [2, 1]


def test_points_without_a_return_and_on_the_own_car_do_not_become_things_when_they_are_moved():
    then = _cloud([[0, 0, 0], [np.nan, 0, 0], [0.9, -0.9, 0], [0.9, 1.1, 0], [9, 0, 0]], S)
    moved = RigidTransform(np.eye(3), np.array([-3.0, 0.0, 0.0]))
    joined = joined_sweeps(_cloud([[1, 1, 1]], 2 * S), [EarlierSweep(then, moved)], 100)
    np.testing.assert_allclose(joined.xyz_m[1:], [[-2.1, 1.1, 0], [6, 0, 0]], atol=1e-6)


def test_sweeps_told_from_origins_of_their_own_meet_in_the_newest_s():
    newest, then = _cloud([[1, 2, 3]], 2 * S, origin_m=(1000.0, 0, 0)), _cloud([[2, 2, 3]], S, origin_m=(998.0, 0, 0))
    moved = RigidTransform(np.eye(3), np.array([1.0, 0.0, 0.0]))
    joined = joined_sweeps(newest, [EarlierSweep(then, moved)], 100)
    np.testing.assert_allclose(joined.xyz_m, [[1, 2, 3], [1, 2, 3]], atol=1e-3)


@pytest.mark.parametrize(("room", "expected"), [(10, 10), (25, 25), (300, 140), (130, 130)])
def test_no_more_points_than_allowed_the_latest_sweeps_whole(room, expected):
    rng = np.random.default_rng(1)
    sweeps = [_cloud(rng.uniform(5, 9, (40, 3)), (number + 1) * S) for number in range(3)]
    newest = _cloud(rng.uniform(5, 9, (20, 3)), 9 * S)
    joined = joined_sweeps(newest, [EarlierSweep(cloud, STILL) for cloud in sweeps], room)
    assert len(joined) == max(expected, len(newest))
    lags = joined.extra[TIME_LAG]
    if room >= 60:
        assert (lags == 6).sum() == 40


@pytest.mark.parametrize(("frame_id", "stamp_ns"), [("other", S), ("lidar", 2 * S), ("lidar", 3 * S)])
def test_sweeps_of_another_sensor_or_not_before_the_newest_are_refused(frame_id, stamp_ns):
    with pytest.raises(BadPointCloud, match="expected earlier ones of frame 'lidar'"):
        joined_sweeps(_cloud([[5, 0, 0]], 2 * S), [EarlierSweep(_cloud([[5, 0, 0]], stamp_ns, frame_id), STILL)], 9)


def _one_metre_a_second(frame, now_ns, then_ns):
    return RigidTransform(np.eye(3), np.array([(then_ns - now_ns) / S, 0.0, 0.0]))


def test_a_history_joins_the_last_sweeps_and_forgets_older_ones():
    history = SweepHistory(sweeps=3, max_age_s=2.5, max_points=100)
    for second in (1, 2, 3):
        found = history.joined(_cloud([[5 - second, 5, 0]], second * S), _one_metre_a_second)
        assert found.sweeps == min(second, 3)
    np.testing.assert_allclose(found.cloud.xyz_m, [[2, 5, 0]] * 3, atol=1e-6)
    assert found.cloud.extra[TIME_LAG].tolist() == [0, 1, 2]
    assert history.joined(_cloud([[0, 5, 0]], 5 * S), _one_metre_a_second).sweeps == 2  # second 2 is 3 s old
    assert history.joined(_cloud([[0, 5, 0]], 50 * S), _one_metre_a_second).sweeps == 1


def test_a_sweep_whose_motion_is_not_known_is_left_out_with_the_reason():
    history = SweepHistory(sweeps=3, max_age_s=9.0, max_points=100)
    history.joined(_cloud([[5, 5, 0]], 1 * S), _one_metre_a_second)
    history.joined(_cloud([[5, 5, 0]], 2 * S), _one_metre_a_second)

    def known_since_second_2(frame, now_ns, then_ns):
        if then_ns < 2 * S:
            raise BadTransform("injected")
        return _one_metre_a_second(frame, now_ns, then_ns)

    found = history.joined(_cloud([[5, 5, 0]], 3 * S), known_since_second_2)
    assert (found.sweeps, [str(error) for error in found.left_out]) == (2, ["injected"])
    assert found.cloud.extra[TIME_LAG].tolist() == [0, 1]


@pytest.mark.parametrize(("stamp_ns", "frame_id"), [(S, "lidar"), (2 * S, "lidar"), (3 * S, "other")])
def test_a_jump_back_in_time_or_another_frame_begins_anew(stamp_ns, frame_id):
    history = SweepHistory(sweeps=3, max_age_s=9.0, max_points=100)
    for second in (1, 2):
        history.joined(_cloud([[5, 5, 0]], second * S), _one_metre_a_second)
    assert history.joined(_cloud([[5, 5, 0]], stamp_ns, frame_id), _one_metre_a_second).sweeps == 1


def test_a_history_of_one_sweep_still_tells_time_lags():
    history = SweepHistory(sweeps=1, max_age_s=9.0, max_points=100)
    for second in (1, 2):
        found = history.joined(_cloud([[5, 5, 0]], second * S), _one_metre_a_second)
        assert (found.sweeps, found.cloud.extra[TIME_LAG].tolist()) == (1, [0])


def test_two_sensors_that_take_turns_are_each_joined_with_their_own():
    history = SweepHistory(3, 1.0, 100)
    for count, stamp_ns in ((1, S), (2, S + S // 10), (3, S + S // 5)):
        for frame in ("front", "rear"):
            joined = history.joined(_cloud([[5, 5, 0]], stamp_ns, frame), _one_metre_a_second)
            assert (joined.sweeps, joined.cloud.frame_id) == (count, frame)
