"""The pose between two frames at a stamp: interpolated, composed, or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformToCome, TransformTree

SECOND = 1_000_000_000


def pose(x_m: float = 0.0, yaw_rad: float = 0.0) -> RigidTransform:
    half = yaw_rad / 2
    return RigidTransform.from_quaternion((0, 0, np.sin(half), np.cos(half)), (x_m, 0.0, 0.0))


def vehicle(history_s: float | None = 10.0) -> TransformTree:
    """map -> base_link moves 10 m/s along x from second 100 to 101; a LiDAR and a camera are fixed to it."""
    tree = TransformTree(history_s)
    for tenth in range(11):
        tree.add("map", "base_link", 100 * SECOND + tenth * SECOND // 10, pose(x_m=float(tenth)))
    tree.add("base_link", "lidar", None, pose(x_m=1.0))
    tree.add("base_link", "camera", None, pose(x_m=2.0, yaw_rad=np.pi / 2))
    return tree


def test_a_lookup_between_two_samples_is_interpolated():
    T = vehicle().lookup("map", "lidar", 100 * SECOND + 250_000_000)
    assert_allclose(T.translation_m, (3.5, 0, 0), atol=1e-9)


def test_a_lookup_goes_up_and_down_the_tree():
    T_camera_lidar = vehicle().lookup("camera", "lidar", 5)  # static both: any time
    assert_allclose(T_camera_lidar.apply(np.zeros((1, 3))), [[0.0, 1.0, 0.0]], atol=1e-9)


def test_target_and_source_exchanged_give_the_inverse():
    tree, stamp_ns = vehicle(), 100 * SECOND + 123_456_789
    both = tree.lookup("camera", "map", stamp_ns) @ tree.lookup("map", "camera", stamp_ns)
    assert_allclose(both.matrix(), np.eye(4), atol=1e-9)


def test_a_lookup_with_two_times_adds_the_motion_between_them():
    T = vehicle().lookup_between("camera", 100 * SECOND + 500_000_000, "lidar", 100 * SECOND + 300_000_000, "map")
    # The LiDAR stood at 3 + 1 m, the camera at 5 + 2 m looking left: 3 m behind, so on its left side.
    assert_allclose(T.apply(np.zeros((1, 3))), [[0.0, 3.0, 0.0]], atol=1e-9)


def test_samples_out_of_order_and_twice_change_nothing():
    rng = np.random.default_rng(3)
    tree = TransformTree()
    order = rng.permutation(np.repeat(np.arange(11), 2))
    for tenth in order:
        tree.add("map", "base_link", 100 * SECOND + int(tenth) * SECOND // 10, pose(x_m=float(tenth)))
    for stamp_ns in range(100 * SECOND, 101 * SECOND, 37_000_000):
        expected = vehicle().lookup("map", "base_link", stamp_ns)
        assert_allclose(tree.lookup("map", "base_link", stamp_ns).matrix(), expected.matrix(), atol=1e-12)


def test_the_last_of_two_samples_with_one_stamp_counts():
    tree = TransformTree()
    tree.add("map", "base_link", 5, pose(x_m=1.0))
    tree.add("map", "base_link", 5, pose(x_m=2.0))
    assert tree.lookup("map", "base_link", 5).translation_m[0] == 2.0


def test_a_frame_to_itself_is_the_identity_only_when_the_frame_is_known():
    tree = vehicle()
    assert_allclose(tree.lookup("lidar", "lidar", 0).matrix(), np.eye(4))
    with pytest.raises(BadTransform, match="radar"):
        tree.lookup("radar", "radar", 0)


def test_a_time_after_the_samples_may_be_known_later_and_one_before_them_never():
    with pytest.raises(TransformToCome, match="wait for newer transforms"):
        vehicle().lookup("map", "lidar", 101 * SECOND + 1)
    with pytest.raises(BadTransform) as caught:
        vehicle().lookup("map", "lidar", 100 * SECOND - 1)
    assert caught.type is BadTransform


def test_a_leading_slash_is_the_same_frame():
    assert_allclose(vehicle().lookup("/camera", "/base_link", 0).inverse().translation_m, (2, 0, 0), atol=1e-12)


def test_old_samples_are_let_go_and_asking_for_them_is_refused():
    tree = TransformTree(history_s=1.0)
    for second in range(1000):
        tree.add("map", "base_link", second * SECOND, pose(x_m=second))
    assert len(tree._edge_above["base_link"].transforms) == 2
    with pytest.raises(BadTransform, match=r"from 998\.0+ s to 999\.0+ s"):
        tree.lookup("map", "base_link", 500 * SECOND)


def test_many_samples_within_the_history_stay_bounded():
    tree = TransformTree(history_s=10.0)
    for stamp_ns in range(25_000):
        tree.add("map", "base_link", stamp_ns, RigidTransform.identity())
    assert len(tree._edge_above["base_link"].transforms) == 20_000


def test_a_recording_keeps_everything():
    tree = TransformTree(history_s=None)
    for second in range(1000):
        tree.add("map", "base_link", second * SECOND, pose(x_m=second))
    assert tree.lookup("map", "base_link", SECOND // 2).translation_m[0] == pytest.approx(0.5)


def test_after_a_recording_looped_the_new_round_is_used():
    tree = TransformTree(history_s=1.0)
    for second in (10, 11, 12, 0, 1):  # 12 -> 0: the clock was set back by more than the history
        tree.add("map", "base_link", second * SECOND, pose(x_m=second))
    assert tree.lookup("map", "base_link", SECOND // 2).translation_m[0] == pytest.approx(0.5)
    with pytest.raises(BadTransform, match="extrapolated"):
        tree.lookup("map", "base_link", 11 * SECOND)


def test_a_static_transform_repeated_with_stamps_stays_static():
    tree = vehicle()
    tree.add("base_link", "lidar", 7 * SECOND, pose(x_m=1.0))
    assert tree.lookup("base_link", "lidar", 1000 * SECOND).translation_m[0] == 1.0


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30, unique=True), st.integers(0, 5000))
def test_interpolation_agrees_with_numpy_on_any_stamps(seconds, stamp_centiseconds):
    tree = TransformTree(history_s=None)
    for second in seconds:
        tree.add("map", "base_link", second * SECOND, pose(x_m=float(second**2)))
    stamp_ns, known = stamp_centiseconds * SECOND // 100, sorted(seconds)
    if known[0] * SECOND <= stamp_ns <= known[-1] * SECOND:
        expected = np.interp(stamp_ns / SECOND, known, [second**2 for second in known])
        assert tree.lookup("map", "base_link", stamp_ns).translation_m[0] == pytest.approx(expected)
    else:
        with pytest.raises(BadTransform, match="extrapolated"):
            tree.lookup("map", "base_link", stamp_ns)
