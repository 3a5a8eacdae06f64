"""Clouds brought to their stamps and merged with those of further LiDARs in a real graph; what cannot be had is counted and told."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lidar_vl_ros.detection_node import DetectionNode
from lidar_vl_ros.health.health import ERROR, OK, WARN
from lidar_vl_ros.health.lidar_health import LidarHealth
from lidar_vl_ros.inputs.lidar_queue import LidarQueue
from lidar_vl_ros.messages.sensor_data import point_cloud2
from lidar_vl_ros.messages.time_message import time_message
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.clouds.cloud_decoder import POINT_TIME

NODE, REAR = "detection_node", "/rear/points"
INPUT, BOXES = f"/{NODE}/input/pointcloud", f"/{NODE}/output/objects/boxes"
S, MS = 100_000_000_000, 1_000_000  # a hundred seconds: stamps of a simulation that just began tell of no origin
# The rear LiDAR looks back from two metres behind the main one.
MOUNTED = ["base_link lidar 0 0 0 0 0 0 1", "base_link rear -2 0 0 0 0 1 0"]


@pytest.fixture
def car(graph, fake_detector, until):
    """A node on a car with two metres a second along x, told by odometry."""

    class Car:
        def __init__(self):
            self.boxes: list[PointCloud2] = []
            graph.subscribe(PointCloud2, BOXES, self.boxes.append, 50)
            self.clouds = graph.probe.create_publisher(PointCloud2, INPUT, 10)
            self.rear = graph.probe.create_publisher(PointCloud2, REAR, 10)
            self.odometry = graph.probe.create_publisher(Odometry, "/odom", 10)

        def start(self, **parameters):
            parameters = {"static_transforms": MOUNTED, "odometry_topic": "/odom", "lidar_max_wait_s": 0.5} | parameters
            self.node = graph.start(
                partial(DetectionNode, lambda settings: fake_detector), model="made-up", **parameters
            )
            until(lambda: self.clouds.get_subscription_count() == 1, "the node's subscription")
            until(lambda: self.node.count_subscribers(BOXES) == 1, "the listener")
            return self

        def drive(self, *stamps_ns):
            until(lambda: self.odometry.get_subscription_count() == 1, "the node's interest in odometry")
            for stamp_ns in stamps_ns:
                header = Header(stamp=time_message(stamp_ns), frame_id="odom")
                message = Odometry(header=header, child_frame_id="base_link")
                message.pose.pose.position.x = 2e-9 * stamp_ns
                self.odometry.publish(message)
            tree = self.node.transforms._transforms.tree
            until(
                lambda: "odom" in tree.frames and stamps_ns[-1] in tree._edge_above["base_link"].stamps_ns, "odometry"
            )

        def send(self, publisher, xyz_m, stamp_ns, frame_id="lidar", **columns):
            columns = dict(zip("xyz", np.asarray(xyz_m, np.float32).T, strict=True)) | columns
            publisher.publish(point_cloud2(Header(stamp=time_message(stamp_ns), frame_id=frame_id), columns))

        def send_rear(self, xyz_m, stamp_ns):
            until(lambda: self.rear.get_subscription_count() == 1, "the node's interest in the rear LiDAR")
            self.send(self.rear, xyz_m, stamp_ns, "rear")
            queue = self.node._assembly._others._queues["rear"]
            until(lambda: queue.nearest(stamp_ns) is not None, "the rear LiDAR's cloud")

        def answered(self, number):
            until(lambda: len(self.boxes) == number, f"answer {number}")
            return fake_detector.seen[-1]

        def counted(self, **expected):
            until(
                lambda: {name: self.node.health.counts()[name] for name in expected} == expected,
                f"{expected}, last {self.node.health.counts()}",
            )

    return Car()


def test_the_points_of_a_sweep_lie_where_its_stamp_has_them(car):
    car.start(compensate_motion=True).drive(S - 100 * MS, S)
    times = np.array([-0.1, -0.05, 0.0], np.float32)
    car.send(car.clouds, [[10, 1, 0], [10, 2, 0], [10, 3, 0]], S, time=times)
    cloud = car.answered(1)
    np.testing.assert_allclose(cloud.xyz_m[:, 0], [9.8, 9.9, 10.0], atol=1e-4)
    assert POINT_TIME not in cloud.extra
    car.counted(served=1, uncompensated=0)


def test_poses_of_a_sweep_that_are_on_their_way_are_waited_for(car, until):
    car.start(compensate_motion=True).drive(S)
    car.send(
        car.clouds, [[10, 1, 0], [10, 2, 0]], S, t=np.array([0, 100 * MS], np.uint32)
    )  # as Ouster's, from the stamp on
    car.counted(received=1, served=0)
    car.drive(S, S + 50 * MS, S + 110 * MS)
    np.testing.assert_allclose(car.answered(1).xyz_m[:, 0], [10.0, 10.2], atol=1e-4)


def test_without_times_or_motion_clouds_are_served_as_they_came_and_counted(car, graph):
    car.start(compensate_motion=True, odometry_topic="")
    car.send(car.clouds, [[10, 1, 0]], S)
    np.testing.assert_allclose(car.answered(1).xyz_m, [[10, 1, 0]])
    car.send(car.clouds, [[10, 1, 0], [10, 2, 0]], 2 * S, time=np.array([-0.1, 0.0], np.float32))
    np.testing.assert_allclose(car.answered(2).xyz_m, [[10, 1, 0], [10, 2, 0]])
    car.counted(served=2, uncompensated=2)
    graph.logs("cloud of lidar not compensated for motion: time of each point: expected a field of one of the names")
    graph.logs("cloud of lidar not compensated for motion: motion of lidar: expected a moving transform")


def test_a_further_lidar_is_seen_from_the_main_one_at_the_main_one_s_stamp(car):
    car.start(**{"lidars.rear.topic": REAR}).drive(S - 50 * MS, S)
    # Both see a post at x = -12 of where the main LiDAR stands at S; the rear one 50 ms before, from 10 cm further back.
    car.send_rear([[9.9, 0, 0], [0, 0, 0]], S - 50 * MS)
    car.send(car.clouds, [[-12, 0, 0], [5, 0, 0]], S)
    np.testing.assert_allclose(car.answered(1).xyz_m, [[-12, 0, 0], [5, 0, 0], [-12, 0, 0]], atol=1e-4)
    car.counted(served=1, unmerged=0)


def test_clouds_of_one_stamp_need_no_motion_and_others_are_not_merged_without(car, graph):
    car.start(**{"lidars.rear.topic": REAR, "odometry_topic": ""})
    car.send_rear([[10, 0, 0]], S)
    car.send(car.clouds, [[5, 0, 0]], S)
    np.testing.assert_allclose(car.answered(1).xyz_m, [[5, 0, 0], [-12, 0, 0]], atol=1e-5)
    car.send_rear([[10, 0, 0]], 2 * S)
    car.send(car.clouds, [[5, 0, 0]], 2 * S + 20 * MS)
    np.testing.assert_allclose(car.answered(2).xyz_m, [[5, 0, 0]])
    car.counted(served=2, unmerged=1)
    graph.logs("cloud served without LiDAR rear: motion of rear: expected a moving transform above it")


def test_a_lidar_without_a_transform_is_left_out_and_never_taken_for_one_in_the_same_place(car, graph):
    car.start(**{"lidars.rear.topic": REAR, "static_transforms": MOUNTED[:1]})
    car.send_rear([[10, 0, 0]], S)
    car.send(car.clouds, [[5, 0, 0]], S)
    assert len(car.answered(1)) == 1
    car.counted(served=1, unmerged=1)
    graph.logs("cloud served without LiDAR rear: ")


def test_without_a_required_lidar_a_cloud_is_dropped_and_counted(car, graph):
    car.start(**{"lidars.rear.topic": REAR, "lidars.rear.required": True}).drive(S)
    car.send(car.clouds, [[5, 0, 0]], S)
    car.counted(received=1, served=0, unpaired=1)
    graph.logs("cloud dropped: LiDAR rear: expected a cloud on /rear/points within")
    car.send_rear([[10, 0, 0]], S)
    car.send(car.clouds, [[5, 0, 0]], S)
    assert len(car.answered(1)) == 2


def test_of_a_lidar_the_nearest_cloud_is_taken_and_one_that_is_about_to_come_is_waited_for():
    queue = LidarQueue(60 * MS)
    assert queue.nearest(0) is None
    assert not queue.nearer_is_to_come(100 * MS)  # it never spoke
    for number in range(6):
        queue.add(S + number * 100 * MS, number)
    assert queue.nearest(S + 449 * MS).cloud == 4
    assert queue.nearest(S + 561 * MS) is None
    assert not queue.nearer_is_to_come(S + 480 * MS)
    assert not queue.nearer_is_to_come(S + 540 * MS)  # the next one comes at 600
    assert queue.nearer_is_to_come(S + 580 * MS)
    assert not queue.nearer_is_to_come(S + 700 * MS)  # it is silent
    queue.add(S - 600 * MS, "looped")
    assert queue.nearest(S + 500 * MS) is None


@given(st.lists(st.integers(0, 15), min_size=1), st.integers(0, 15))
def test_clouds_of_a_lidar_that_come_out_of_order_twice_or_without_a_stamp_drive_no_other_away(times, asked):
    queue = LidarQueue(S)
    for number, time in enumerate(times):
        queue.add(S + time * 30 * MS, number)
        queue.add(0, "without a stamp")
    nearest = min(times, key=lambda time: (abs(time - asked), time))
    last_of_that_time = max(number for number, time in enumerate(times) if time == nearest)
    assert queue.nearest(S + asked * 30 * MS) == (S + nearest * 30 * MS, last_of_that_time)


def test_a_lidar_is_told_of_by_what_happened_since_the_last_report():
    health = LidarHealth("/rear", required=False)
    assert (health.report().level, health.report().message) == (OK, "no clouds to add it to")
    health.merged()
    health.missed("LiDAR rear: no transform")
    report = health.report()
    assert (report.level, report.values["merged"], report.values["missed"]) == (WARN, "1", "1")
    assert report.message == "1 of 2 clouds without it: LiDAR rear: no transform"
    assert health.report().level == OK
    required = LidarHealth("/rear", required=True)
    required.missed("silent")
    assert required.report().level == ERROR
