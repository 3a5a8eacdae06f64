"""Transforms as they are recorded: broken ones are left out by name, the others of their message count."""

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.surroundings import read_surroundings
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.transform_tree import TransformTree
from tests.written import ros_messages
from tests.written.ros_messages import tf

TF = "tf2_msgs/msg/TFMessage"


def transform(parent, child, xyzw=(0.0, 0.0, 0.0, 1.0), x_m=1.0):
    return ros_messages.transform(parent, child, (x_m, 0, 0), xyzw, 5_000_000_000)


BROKEN = {
    "nan": transform("base", "gyro", (np.nan,) * 4),
    "infinite": transform("base", "gyro", x_m=np.inf),
    "zeros": transform("base", "gyro", (0, 0, 0, 0)),
    "too long": transform("base", "gyro", (0, 0, 0, 1.02)),
    "nameless": transform("base", ""),
    "of itself": transform("base", "base"),
    "second parent": transform("map", "lidar"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("static", [True, False])
def test_one_broken_transform_costs_no_other_of_its_message(kind, static):
    good = [transform("base", "lidar"), transform("base", "camera", x_m=2.0)]
    transforms = FrameTransforms(TransformTree(history_s=None))
    (refused,) = transforms.add(tf(good[0], BROKEN[kind], good[1]), static)
    assert f"-> {BROKEN[kind].child_frame_id} is left out: " in str(refused)
    assert transforms.edges() == [("base", "camera", not static), ("base", "lidar", not static)]
    T = transforms.T_cam_lidar("camera", 5_000_000_000, "lidar", 5_000_000_000)
    np.testing.assert_allclose(T.translation_m, [-1, 0, 0])


@pytest.mark.parametrize("norm", [0.991, 1.0, 1.009])
def test_a_quaternion_that_a_sender_rounded_is_normalised(norm):
    transforms = FrameTransforms(TransformTree(history_s=None))
    half = norm * np.sqrt(0.5)
    assert transforms.add(tf(transform("base", "lidar", (0, 0, half, half))), static=True) == []
    rotation = transforms.T_cam_lidar("base", 0, "lidar", 0).rotation
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_a_sender_that_stays_broken_is_told_once_with_its_first_value(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        for k in range(20):
            message = tf(transform("base", "gyro", (0, 0, 0, 2 + k)), transform("base", "lidar", x_m=1))
            bag.write("/tf_static", TF, k, message)
    with open_bag(tmp_path / "a.mcap") as bag:
        problems = read_surroundings(bag).problems
    assert len(problems) == 20
    assert len(set(problems)) == 1
    assert "/tf_static: transform base -> gyro is left out: expected a quaternion of length 1, found [0.0, 0.0, 0.0, 2.0]" in problems[0]  # fmt: skip


def test_a_static_transform_that_comes_again_with_another_value_is_told(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        for k, x_m in enumerate((1.0, 1.0, 1.2)):
            message = tf(transform("base", "lidar", x_m=x_m), transform("base", "cam", x_m=0.5))
            bag.write("/tf_static", TF, k, message)
    with open_bag(tmp_path / "a.mcap") as bag:
        surroundings = read_surroundings(bag)
    assert surroundings.problems == [
        "frame lidar: expected one static transform, found several that differ; the last one is used for the whole recording. "
        "Check whether two nodes published it, or cut the recording where the calibration changed."
    ]
    assert surroundings.transforms.T_cam_lidar("base", 0, "lidar", 0).matrix()[0, 3] == 1.2
