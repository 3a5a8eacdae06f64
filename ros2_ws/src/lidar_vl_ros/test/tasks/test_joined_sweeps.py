"""Sweeps that a detection node joins by odometry before it looks for objects."""

import time

import numpy as np
import pytest
from lidar_vl_ros.messages.time_message import time_message
from nav_msgs.msg import Odometry
from std_msgs.msg import Header

from lidar_vl_core.sweeps.joining import TIME_LAG
from ros2_ws.src.lidar_vl_ros.test.tasks.detecting_robot import (
    DetectingRobot,
    S,
)


@pytest.fixture
def robot(graph, fake_detector, make_cloud, until):
    return DetectingRobot(graph, fake_detector, make_cloud, until)


@pytest.fixture
def odometry(graph, until):
    """Two metres a second along x."""
    publisher = graph.probe.create_publisher(Odometry, "/odom", 10)

    def tell(node, stamp_s):
        message = Odometry(
            header=Header(stamp=time_message(int(stamp_s * S)), frame_id="odom"), child_frame_id="lidar_top"
        )
        message.pose.pose.position.x = 2.0 * stamp_s
        until(lambda: publisher.get_subscription_count() == 1, "the node's interest in odometry")
        publisher.publish(message)
        frames = node.transforms._transforms.tree
        until(
            lambda: "odom" in frames.frames and stamp_s * S in (frames._edge_above["lidar_top"].stamps_ns), "odometry"
        )

    return tell


def test_sweeps_are_joined_where_odometry_tells_how_the_sensor_moved(robot, odometry, fake_detector):
    robot.start(sweeps=3, sweeps_max_age_s=5.0, odometry_topic="/odom")
    for second in (1, 2, 3, 4):
        odometry(robot.node, second)
        robot.ask([[20.0 - 2 * second, 5, 0]], second * S)
    last = fake_detector.seen[-1]
    np.testing.assert_allclose(last.xyz_m, [[12, 5, 0]] * 3, atol=1e-5)
    assert last.extra[TIME_LAG].tolist() == [0, 1, 2]
    robot.counted(served=4, unjoined=0)


def test_without_transforms_sweeps_are_not_joined_which_is_told_and_no_motion_is_made_up(robot, graph, fake_detector):
    robot.start(sweeps=3, sweeps_max_age_s=5.0, static_transforms=["base_link lidar_top 0 0 1.8 0 0 0 1"])
    for second in (1, 2, 3):
        robot.ask([[20.0, 5, 0]], second * S)
        assert (len(fake_detector.seen[-1]), fake_detector.seen[-1].extra[TIME_LAG].tolist()) == (1, [0])
    robot.counted(served=3, unjoined=2)
    graph.logs("earlier sweeps left out: motion of lidar_top: expected a moving transform")


def test_a_newest_sweep_whose_pose_comes_a_little_later_is_waited_for(
    robot, odometry, fake_detector, make_cloud, until
):
    robot.start(sweeps=2, sweeps_max_age_s=5.0, odometry_topic="/odom", motion_max_wait_s=1.0)
    odometry(robot.node, 1)
    robot.ask([[18.0, 5, 0]], S)
    robot.clouds.publish(make_cloud(np.array([[16.0, 5, 0]], np.float32), 2 * S, "lidar_top"))
    robot.counted(received=2, served=1)
    odometry(robot.node, 2)
    until(lambda: len(fake_detector.seen) == 2, "the second cloud")
    np.testing.assert_allclose(fake_detector.seen[-1].xyz_m, [[16, 5, 0]] * 2, atol=1e-5)


def test_odometry_that_stops_makes_three_clouds_wait_and_no_more(robot, odometry, fake_detector):
    robot.start(sweeps=2, sweeps_max_age_s=5.0, odometry_topic="/odom", motion_max_wait_s=0.2)
    odometry(robot.node, 1)
    robot.ask([[18.0, 5, 0]], S)
    for second in (2, 3, 4):
        started_s = time.monotonic()
        robot.ask([[18.0, 5, 0]], second * S)
        assert time.monotonic() - started_s >= 0.2
    assert robot.node.detection._patience._waits_in_vain == 3
    monotonic, asked = time.monotonic, []
    robot.node.transforms.T_now_then, healthy = (
        lambda frame, now_ns, then_ns, until_s: (
            asked.append(until_s - monotonic()) or healthy(frame, now_ns, then_ns, until_s)
        ),
        robot.node.transforms.T_now_then,
    )
    robot.ask([[18.0, 5, 0]], 5 * S)
    assert max(asked) <= 0.0
    odometry(robot.node, 5)
    odometry(robot.node, 6)
    robot.ask([[18.0, 5, 0]], 6 * S)
    assert robot.node.detection._patience._waits_in_vain == 0
    assert len(fake_detector.seen[-1]) == 2
