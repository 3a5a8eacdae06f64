"""The motion of a recording's sensor: by its transforms, else by its odometry, else not known."""

import numpy as np
import pytest

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.surroundings import ODOMETRY_TYPE, TF_TYPE, RecordedMotion
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.foundation.errors import BadTransform
from tests.written.ros_messages import TYPES, header, tf, transform

S = 1_000_000_000


def _of(name, **fields):
    package, _, kind = name.partition("/")
    return TYPES[f"{package}/msg/{kind}"](**fields)


def _transform(parent, child, stamp_s, x_m):
    return tf(transform(parent, child, (x_m, 0, 0), stamp_ns=stamp_s * S))


def _odometry(child, stamp_s, x_m):
    nothing = _of("geometry_msgs/Vector3", x=0.0, y=0.0, z=0.0)
    twist = _of("geometry_msgs/Twist", linear=nothing, angular=nothing)
    position = _of("geometry_msgs/Point", x=x_m, y=0.0, z=0.0)
    pose = _of(
        "geometry_msgs/Pose", position=position, orientation=_of("geometry_msgs/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    )
    return TYPES[ODOMETRY_TYPE](
        header=header(stamp_s * S, "odom"),
        child_frame_id=child,
        pose=_of("geometry_msgs/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=_of("geometry_msgs/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def _motion(tmp_path, *messages):
    """Messages: topic, seconds, content."""
    with BagWriter(tmp_path / "run.mcap") as bag:
        for topic, stamp_s, content in messages:
            bag.write(topic, content.__msgtype__, stamp_s * S, content)
        if not messages:
            bag.write("/tf_static", TF_TYPE, S, _transform("base", "lidar", 1, 0.0))
    with open_bag(tmp_path / "run.mcap") as bag:
        return RecordedMotion(bag)


def test_transforms_tell_how_the_sensor_moved_whatever_odometry_says(tmp_path):
    messages = [("/tf_static", 1, _transform("base", "lidar", 1, 1.5))]
    messages += [("/tf", second, _transform("odom", "base", second, 2.0 * second)) for second in (1, 2, 3)]
    messages += [("/odometry", second, _odometry("base", second, 9.0 * second)) for second in (1, 2, 3)]
    motion = _motion(tmp_path, *messages)
    np.testing.assert_allclose(motion.T_now_then("lidar", 3 * S, 1 * S).translation_m, [-4, 0, 0])


def test_odometry_tells_it_where_transforms_tell_of_no_motion(tmp_path):
    messages = [("/tf_static", 1, _transform("base", "lidar", 1, 1.5))]
    messages += [("/odometry", second, _odometry("base", second, 3.0 * second)) for second in (1, 2, 3)]
    messages += [("/few", 1, _odometry("base", 1, 77.0))]
    motion = _motion(tmp_path, *messages)
    np.testing.assert_allclose(motion.T_now_then("/lidar", int(2.5 * S), 2 * S).translation_m, [-1.5, 0, 0])
    with pytest.raises(BadTransform, match="It is not extrapolated"):
        motion.T_now_then("lidar", 4 * S, 3 * S)


def test_a_recording_that_tells_of_no_motion_is_not_taken_for_one_that_stood_still(tmp_path):
    with pytest.raises(BadTransform, match=r"motion of lidar: expected a moving transform above it"):
        _motion(tmp_path).T_now_then("lidar", 2 * S, S)


def test_odometry_of_another_frame_tells_nothing_of_the_sensor(tmp_path):
    motion = _motion(tmp_path, *(("/odometry", second, _odometry("base", second, 1.0)) for second in (1, 2)))
    with pytest.raises(BadTransform, match="motion of lidar"):
        motion.T_now_then("lidar", 2 * S, S)
