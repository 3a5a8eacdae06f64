"""How a sensor moved between two of its sweeps: by what was told of it, never by a guess."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.foundation.stamps import sec_and_nanosec
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.transform_tree import TransformTree

S = 1_000_000_000


def _message(parent, child, stamp_ns, x_m):
    sec, nanosec = sec_and_nanosec(stamp_ns)
    header = SimpleNamespace(frame_id=parent, stamp=SimpleNamespace(sec=sec, nanosec=nanosec))
    rotation, translation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0), SimpleNamespace(x=x_m, y=0.0, z=0.0)
    transform = SimpleNamespace(rotation=rotation, translation=translation)
    stamped = SimpleNamespace(header=header, child_frame_id=child, transform=transform)
    return SimpleNamespace(transforms=[stamped])


def _driving(seconds=(1, 2, 3)):
    """Two metres a second."""
    transforms = FrameTransforms(TransformTree(10.0))
    transforms.add(_message("base_link", "lidar", 0, 1.5), static=True)
    for second in seconds:
        transforms.add(_message("odom", "base_link", second * S, 2.0 * second), static=False)
    return transforms


def test_what_stood_ahead_is_nearer_after_driving_on():
    T_now_then = _driving().T_now_then("lidar", 3 * S, 1 * S)
    np.testing.assert_allclose(T_now_then.apply(np.array([[10.0, 1.0, 0.0]])), [[6.0, 1.0, 0.0]])
    T_now_then = _driving().T_now_then("/lidar", int(2.5 * S), 2 * S)
    np.testing.assert_allclose(T_now_then.translation_m, [-1.0, 0.0, 0.0])


def test_where_nobody_tells_of_motion_it_is_not_taken_for_none():
    with pytest.raises(
        BadTransform, match=r"motion of lidar: expected a moving transform .*, found base_link -> lidar"
    ):
        _driving(seconds=()).T_now_then("lidar", 2 * S, S)
    with pytest.raises(BadTransform, match="found none"):
        FrameTransforms(TransformTree(10.0)).T_now_then("lidar", 2 * S, S)


@pytest.mark.parametrize(("now_s", "then_s"), [(4, 3), (2, 0.5)])
def test_a_time_of_which_nothing_is_told_is_not_extrapolated(now_s, then_s):
    with pytest.raises(BadTransform, match="It is not extrapolated"):
        _driving().T_now_then("lidar", int(now_s * S), int(then_s * S))


def test_a_picture_of_another_time_is_placed_by_the_motion_between_and_not_at_all_without_it():
    driving = _driving()
    driving.add(_message("base_link", "camera", 0, 0.5), static=True)
    T_cam_lidar = driving.T_moved_cam_lidar("camera", 1 * S, "lidar", 3 * S)
    np.testing.assert_allclose(T_cam_lidar.apply(np.array([[10.0, 1.0, 0.0]])), [[15.0, 1.0, 0.0]])
    standing = _driving(seconds=())
    standing.add(_message("base_link", "camera", 0, 0.5), static=True)
    np.testing.assert_allclose(standing.T_cam_lidar("camera", S, "lidar", 3 * S).translation_m, [1.0, 0.0, 0.0])
    with pytest.raises(BadTransform, match="motion of lidar: expected a moving transform"):
        standing.T_moved_cam_lidar("camera", 1 * S, "lidar", 3 * S)


def test_transforms_that_never_change_place_a_camera_where_the_moving_ones_are_not_told():
    transforms = _driving(seconds=())
    transforms.add(_message("base_link", "front", 0, 2.5), static=True)
    transforms.add(_message("odom", "base_link", S, 2.0), static=False)
    np.testing.assert_allclose(transforms.T_unmoved_cam_lidar("/front", "lidar").translation_m, [-1.0, 0.0, 0.0])


def test_a_camera_on_a_joint_that_moves_has_no_static_chain():
    transforms = _driving()
    transforms.add(_message("base_link", "pan_tilt", S, 2.5), static=False)
    transforms.add(_message("pan_tilt", "front", 0, 0.1), static=True)
    with pytest.raises(BadTransform, match=r"never change, found base_link -> pan_tilt on /tf"):
        transforms.T_unmoved_cam_lidar("front", "lidar")
    with pytest.raises(BadTransform, match="no transform to or from frame"):
        transforms.T_unmoved_cam_lidar("rear", "lidar")
