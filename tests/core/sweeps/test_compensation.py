"""Motion within a sweep: a world that stands still stays in place, and what is not told is not made up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds.cloud_decoder import POINT_TIME
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree
from lidar_vl_core.sweeps.compensation import SweepCompensation, points_at_stamp
from lidar_vl_core.sweeps.point_times import TimeScale, offsets_ns, time_scale

S, MS = 1_000_000_000, 1_000_000
STAMP_NS = 1_700_000_000 * S + 123_456_789


def _driven(rng, start_ns, stop_ns):
    """T_world_lidar over a second around a sweep: uneven speed and turning, as odometry of 50 Hz tells it."""
    tree, speed_mps, turn_radps = TransformTree(None), rng.uniform(-30, 30, 3), rng.uniform(-1, 1, 3)
    for stamp_ns in range(start_ns - 20 * MS, stop_ns + 40 * MS, 20 * MS):
        seconds = (stamp_ns - start_ns) / S
        half = 0.5 * turn_radps * seconds * (1 + seconds)
        norm = max(float(np.linalg.norm(half)), 1e-12)
        xyzw = [*(np.sin(norm) * half / norm), np.cos(norm)]
        tree.add("world", "lidar", stamp_ns, RigidTransform.from_quaternion(xyzw, speed_mps * seconds * (1 + seconds)))
    return lambda frame, now_ns, then_ns: tree.lookup_between(frame, now_ns, frame, then_ns, "world")


def _slowly_at_stamp(xyz_m, offset_ns, T_stamp_then):
    """The same, point by point with the pose of its very own time."""
    return np.array([T_stamp_then(int(ns)).apply(xyz[None])[0] for xyz, ns in zip(xyz_m, offset_ns, strict=True)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(-100, 100), st.integers(1, 100))
def test_every_point_lies_where_the_pose_of_its_own_time_puts_it(seed, first_ms, span_ms):
    rng = np.random.default_rng(seed)
    offset_ns = rng.integers(first_ms * MS, (first_ms + span_ms) * MS, 60)
    moved = _driven(rng, STAMP_NS + min(first_ms, 0) * MS, STAMP_NS + (max(first_ms, 0) + span_ms) * MS)
    xyz_m = rng.uniform(-80, 80, (60, 3)).astype(np.float32)

    def T_stamp_then(ns):
        return moved("lidar", STAMP_NS, STAMP_NS + ns)

    found_m = points_at_stamp(xyz_m, offset_ns, T_stamp_then)
    assert found_m.dtype == np.float32
    np.testing.assert_allclose(found_m, _slowly_at_stamp(xyz_m, offset_ns, T_stamp_then), atol=0.02)


_SHAPES = {
    "velodyne": (np.float32, lambda ns: ns / 1e9),
    "ouster": (np.uint32, lambda ns: ns),
    "microseconds": (np.uint32, lambda ns: ns / 1e3),
    "milliseconds": (np.float32, lambda ns: ns / 1e6),
    "hesai": (np.float64, lambda ns: STAMP_NS / 1e9 + ns / 1e9),
    "livox": (np.float64, lambda ns: float(STAMP_NS) + ns),
}


@pytest.mark.parametrize("driver", _SHAPES)
def test_the_times_of_every_driver_mean_the_same(driver):
    dtype, written = _SHAPES[driver]
    true_ns = np.linspace(0, 100 * MS, 500).astype(np.int64)
    times = np.array([written(float(ns)) for ns in true_ns]).astype(dtype)
    scale = time_scale(times, STAMP_NS)
    assert scale.is_absolute == (driver in ("hesai", "livox"))
    np.testing.assert_allclose(offsets_ns(times, scale, STAMP_NS), true_ns, atol=1500)


@given(st.integers(1, 4 * 10**18), st.integers(5 * MS, S - MS), st.sampled_from(list(_SHAPES)), st.booleans())
def test_no_times_of_a_sweep_are_taken_for_another_unit(stamp_ns, span_ns, driver, ends_at_stamp):
    unit_ns = {"velodyne": 1e9, "ouster": 1.0, "microseconds": 1e3, "milliseconds": 1e6}.get(driver, 1e9)
    first_ns = -span_ns if ends_at_stamp else 0
    times = np.linspace(first_ns, first_ns + 1.0001 * span_ns, 100) / unit_ns
    if stamp_ns > 10 * S:
        unit = {1e9: "s", 1e6: "ms", 1e3: "us", 1.0: "ns"}[unit_ns]
        assert time_scale(times, stamp_ns) == TimeScale(unit, is_absolute=False)


def _sweep(xyz_m, times=None, stamp_ns=STAMP_NS, **changes):
    xyz_m = np.asarray(xyz_m, np.float32)
    extra = {} if times is None else {POINT_TIME: np.asarray(times)}
    return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), stamp_ns, "lidar", extra, **changes)


def _ahead(frame, now_ns, then_ns):
    """Ten metres a second."""
    return RigidTransform(np.eye(3), np.array([(then_ns - now_ns) * 10 / S, 0, 0]))


def test_a_sweep_of_a_driving_car_is_brought_to_its_stamp_and_points_without_a_return_stay():
    cloud = _sweep([[5, 0, 0], [np.nan, 0, 0], [0, 0, 0], [5, 1, 0]], np.array([0, 0, 9, 0.1], np.float32))
    found = SweepCompensation().compensated(cloud, _ahead)
    assert found.problem is None
    np.testing.assert_allclose(found.cloud.xyz_m, [[5, 0, 0], [np.nan, 0, 0], [0, 0, 0], [6, 1, 0]], atol=1e-5)
    assert POINT_TIME not in found.cloud.extra
    assert cloud.xyz_m[3].tolist() == [5, 1, 0]


def test_points_told_from_an_origin_of_their_own_move_in_the_frame():
    cloud = _sweep([[1, 0, 0], [1, 2, 0]], [0.0, 0.1], origin_m=(1000.0, 0.0, 0.0), in_sensor_frame=False)
    turned = RigidTransform.from_quaternion((0, 0, np.sqrt(0.5), np.sqrt(0.5)), (0, 0, 0))  # a quarter to the left
    found = SweepCompensation().compensated(cloud, lambda frame, now, then: turned)
    np.testing.assert_allclose(found.cloud.xyz_m + np.array([1000.0, 0, 0]), [[0, 1001, 0], [-2, 1001, 0]], atol=1e-3)


def test_a_cloud_without_points_or_returns_asks_for_no_motion():
    for xyz_m in (np.zeros((0, 3)), [[0, 0, 0], [np.nan] * 3]):
        found = SweepCompensation().compensated(_sweep(xyz_m, np.zeros(len(xyz_m))), lambda *_: pytest.fail("asked"))
        assert found.problem is None


def test_where_the_motion_is_not_told_the_sweep_stays_as_it_came_with_the_reason():
    def untold(*_):
        raise BadTransform("motion of lidar: expected a moving transform")

    cloud = _sweep([[5, 0, 0], [5, 1, 0]], [0.0, 0.1])
    found = SweepCompensation().compensated(cloud, untold)
    assert "motion of lidar" in str(found.problem)
    np.testing.assert_array_equal(found.cloud.xyz_m, cloud.xyz_m)
    assert POINT_TIME not in found.cloud.extra


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (None, "found none"),
        ([0.0, 0.0], "found values from 0 to 0"),
        ([np.nan, np.nan], "found no number"),
        ([0.0, 3.0], "found values from 0 to 3"),
        ([7.0, 7.1], "found values from 7 to 7.1"),
    ],
)
def test_times_that_mean_nothing_are_told_and_change_nothing(times, told):
    found = SweepCompensation().compensated(_sweep([[5, 0, 0], [5, 1, 0]], times), _ahead)
    assert told in str(found.problem)
    assert found.cloud.xyz_m[:, 0].tolist() == [5, 5]


def test_one_unit_holds_for_all_sweeps_and_a_time_far_from_the_stamp_is_refused():
    compensation = SweepCompensation()
    assert compensation.compensated(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, 0.1]), _ahead).problem is None
    few = compensation.compensated(
        _sweep([[5, 0, 0], [5, 1, 0]], [0.0500, 0.0501]), _ahead
    )  # too short to tell by itself
    np.testing.assert_allclose(few.cloud.xyz_m[:, 0], [5.5, 5.501], atol=1e-5)
    far = compensation.compensated(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, 4.0]), _ahead)
    assert "found 4.000 s" in str(far.problem)
    broken = compensation.compensated(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, np.nan]), _ahead)
    assert "found none for 1 of 2" in str(broken.problem)


@pytest.mark.parametrize("unit_ns", [1e6, 1e3, 1])
def test_a_first_sweep_too_short_to_tell_the_unit_does_not_decide_for_the_others(unit_ns):
    compensation = SweepCompensation()
    compensation.compensated(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, 0.9 * MS / unit_ns]), _ahead)
    for span_ns in (100 * MS, 100 * MS, 100 * MS, 0.9 * MS, 100 * MS):
        found = compensation.compensated(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, span_ns / unit_ns]), _ahead)
        assert found.problem is None
        np.testing.assert_allclose(found.cloud.xyz_m[:, 0], [5, 5 + span_ns * 10 / S], atol=1e-5)


def test_a_broken_time_among_many_is_refused_and_tells_no_unit():
    compensation, times = SweepCompensation(), np.linspace(0, 0.1, 200)
    broken = times.copy()
    broken[7] = 1e6  # microseconds would make a sweep of one second of it
    cloud = np.full((200, 3), 5.0)
    assert "found 1000000.000 s" in str(compensation.compensated(_sweep(cloud, broken), _ahead).problem)
    after = compensation.compensated(_sweep(cloud, times), _ahead)
    np.testing.assert_allclose(after.cloud.xyz_m[[0, -1], 0], [5, 6], atol=1e-5)


def test_each_lidar_of_a_topic_has_a_unit_of_its_own():
    compensation = SweepCompensation()
    for _ in range(3):
        for frame, unit_ns in (("left", 1e9), ("right", 1e3)):
            cloud = replace(_sweep([[5, 0, 0], [5, 1, 0]], [0.0, 100 * MS / unit_ns]), frame_id=frame)
            found = compensation.compensated(cloud, _ahead)
            np.testing.assert_allclose(found.cloud.xyz_m[:, 0], [5, 6], atol=1e-5)


def test_a_simulation_that_just_began_does_not_tell_from_where_times_count():
    cloud = _sweep([[5, 0, 0], [5, 1, 0]], [0.5, 0.6], stamp_ns=S // 2)
    assert "may be either" in str(SweepCompensation().compensated(cloud, _ahead).problem)
