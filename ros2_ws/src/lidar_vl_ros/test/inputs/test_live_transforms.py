"""Transforms of a running system: given ones, moving ones that are to come, broken ones that cost no other."""

from types import SimpleNamespace

import numpy as np
import pytest
from lidar_vl_ros.inputs.live_transforms import LiveTransforms, static_transform
from lidar_vl_ros.messages.time_message import time_message

from lidar_vl_core.foundation.errors import BadConfig, BadTransform

# Optical frame: z forward, x right, y down, at the LiDAR's place.
FRONT = "lidar front_optical 0 0 0 -0.5 0.5 -0.5 0.5"


@pytest.mark.parametrize("text", ["", "a b", "a b 1 2 3", "a b 1 2 3 0 0 0 one", "a b 1 2 3 0 0 0 1 9"])
def test_a_transform_that_is_none_is_refused_with_the_form_expected(text):
    with pytest.raises(BadConfig, match="parent child x y z qx qy qz qw"):
        static_transform(text)


def test_a_given_transform_without_a_rotation_is_refused():
    with pytest.raises(BadTransform, match="static_transforms: transform a -> b is left out: expected a quaternion"):
        LiveTransforms(SimpleNamespace(), ["a b 1 2 3 0 0 0 0"])


def test_moving_transforms_that_are_not_yet_as_new_as_a_cloud_are_to_come():
    live = LiveTransforms(SimpleNamespace(), [FRONT])
    moves = static_transform("odom lidar 1 0 0 0 0 0 1")
    assert not live.is_to_come("front_optical", 5, "lidar", 5)
    for stamp_ns in (1_000_000_000, 2_000_000_000):
        moves.header.stamp = time_message(stamp_ns)
        live._moving(SimpleNamespace(transforms=[moves]))
    assert live.is_to_come("front_optical", 1_500_000_000, "lidar", 2_000_000_001)
    assert live.is_to_come("front_optical", 2_000_000_001, "lidar", 1_500_000_000)
    assert not live.is_to_come("front_optical", 2_000_000_000, "lidar", 2_000_000_000)
    assert not live.is_to_come("unknown", 2_000_000_001, "lidar", 2_000_000_001)
    assert not live.is_to_come("front_optical", 1, "lidar", 1)


def test_a_broken_transform_costs_no_other_of_its_message_in_a_running_system():
    said = []
    logger = SimpleNamespace(warning=lambda text, **_: said.append(text))
    live = LiveTransforms(SimpleNamespace(get_logger=lambda: logger), [FRONT])
    sent = [static_transform(text) for text in ("lidar imu 0 0 0 nan 0 0 1", "lidar rear 1 0 0 0 0 0 1.008")]
    live._static(SimpleNamespace(transforms=sent))
    np.testing.assert_allclose(live.T_cam_lidar("rear", 0, "lidar", 0).translation_m, [-1, 0, 0])
    assert [text[:40] for text in said] == ["transform lidar -> imu is left out: expe"]
