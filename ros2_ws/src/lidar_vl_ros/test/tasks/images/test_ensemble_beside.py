"""The ensemble with pictures encoded beside the clouds: which features a cloud gets, where they are seen, and when none are used."""

import threading

import numpy as np
import pytest
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from nav_msgs.msg import Odometry
from std_msgs.msg import Header

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.segmenter import Segmenter
from ros2_ws.src.lidar_vl_ros.test.tasks.images.front_camera import (
    CAMERA,
    FRONT,
    NODE,
    XYZ_M,
    CameraRobot,
    cloud_of,
    front_view,
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("beside") / "package", image_size=(48, 64)).path


@pytest.fixture
def robot(graph, make_cloud, until, package):
    class Robot(CameraRobot):
        def __init__(self):
            super().__init__(graph, until)
            self.speed_mps = 4.0  # along x
            self.odometry = graph.probe.create_publisher(Odometry, "/odom", 10)

        def serving(self, odometry_topic="/odom", **parameters):
            options = {"cameras.front.topic": CAMERA, "static_transforms": [FRONT], "ensemble": True, "threads": 1}
            options |= {"odometry_topic": odometry_topic, "image_features_max_age_s": 2.0} | parameters
            self.node = graph.start(SegmentationNode, model=str(package), **options)
            self.heard_by_the_node(self.clouds, self.camera, self.info, *([self.odometry] if odometry_topic else []))
            self.send_calibration()
            return self

        @property
        def tower(self):
            return self.node.segmentation._ensemble._tower

        def drove(self, *seconds):
            """Tell where the sensor was: it drives along x."""
            for second in seconds:
                header = Header(stamp=time_message(round(second * 1e9)), frame_id="odom")
                message = Odometry(header=header, child_frame_id="lidar")
                message.pose.pose.position.x = self.speed_mps * second
                message.pose.pose.orientation.w = 1.0
                self.odometry.publish(message)
            until(lambda: self.odometry_at(seconds[-1]), "odometry")

        def odometry_at(self, second):
            edge = self.node.transforms._transforms.tree._edge_above.get("lidar")
            return edge is not None and round(second * 1e9) in (edge.stamps_ns or ())

        def ask(self, second, xyz_m=XYZ_M):
            before = len(self.answers)
            self.clouds.publish(make_cloud(xyz_m, round(second * 1e9)))
            until(lambda: len(self.answers) > before, f"the answer to the cloud of second {second}")
            return decode(self.answers[-1], ("class_id",)).extra["class_id"]

        def picture(self, second):
            self.send_picture(round(second * 1e9))
            until(lambda: "front" in self.tower._newest or self.encoded(second), "the picture")

        def encoded(self, second):
            finished = self.tower.finished().get("front")
            return finished is not None and finished.paired.stamp_ns == round(second * 1e9)

        def encode(self, second):
            """Send a picture, and a cloud that asks for it."""
            self.picture(second)
            self.tower.ask()
            until(lambda: self.encoded(second), "its features")

        def status(self):
            def told():
                found = [each for message in graph.diagnostics for each in message.status if ": ensemble" in each.name]
                return found[-1] if found else None

            return until(told, "the diagnostics of the ensemble")

    return Robot()


def _expected(package, xyz_m=XYZ_M, ahead_m=None):
    """Classes by the core; ahead_m: how far the LiDAR has driven since the picture, None = no picture."""
    segmenter = Segmenter(load_model_package(package), threads=1)
    views = [] if ahead_m is None else [front_view(ahead_m)]
    return CameraFusion(segmenter, threads=1).segment(cloud_of(xyz_m), views, lambda view, error: None).class_id


def test_a_cloud_does_not_wait_for_pictures_and_the_next_one_is_named_by_what_was_encoded_meanwhile(
    robot, package, until
):
    robot.serving(tf_max_wait_s=10.0)
    robot.drove(1.0, 1.5)
    encode, gate = robot.tower._encode, threading.Event()
    robot.tower._encode = lambda rgb: gate.wait(30) and encode(rgb)
    robot.picture(1.0)
    np.testing.assert_array_equal(robot.ask(1.0), _expected(package))  # it asked for the features
    gate.set()
    until(lambda: robot.encoded(1.0), "the features")
    robot.counted(served=1, without_images=1)
    assert (robot.ask(1.5) != _expected(package)).sum() > 20
    robot.counted(served=2, without_images=1, faults=0)


def test_old_features_of_a_vehicle_that_stands_are_those_of_a_fresh_picture(robot, package):
    robot.speed_mps = 0.0
    robot.serving()
    robot.drove(1.0, 2.5)
    robot.encode(1.0)
    np.testing.assert_array_equal(robot.ask(2.5), _expected(package, ahead_m=0.0))


def test_old_features_are_seen_from_where_the_sensor_has_driven_since(robot, package):
    robot.serving()
    robot.drove(1.0, 2.0, 2.5)
    robot.encode(1.0)
    xyz_m = XYZ_M - np.array([6.0, 0, 0], np.float32)  # the same street, 1.5 s later
    found = robot.ask(2.5, xyz_m)
    np.testing.assert_array_equal(found, _expected(package, xyz_m, ahead_m=6.0))
    assert (found != _expected(package, xyz_m, ahead_m=0.0)).sum() > 20


def test_without_a_word_of_the_motion_pictures_have_no_say_which_is_told(robot, graph, package):
    robot.serving(odometry_topic="")
    robot.encode(1.0)
    for second in (1.0, 1.1):
        np.testing.assert_array_equal(robot.ask(second), _expected(package))
    robot.counted(served=2, without_images=2)
    graph.logs("motion of lidar: expected a moving transform above it")
    assert graph.logs("cloud labelled by the network alone").count("cloud labelled by the network alone") == 1


def test_features_older_than_allowed_have_no_say_which_is_told(robot, graph, package):
    robot.serving(image_features_max_age_s=0.5)
    robot.drove(1.0, 1.4, 1.6)
    robot.encode(1.0)
    assert (robot.ask(1.4) != _expected(package)).sum() > 20
    np.testing.assert_array_equal(robot.ask(1.6), _expected(package))
    robot.counted(served=2, without_images=1)
    graph.logs("image_features_max_age_s")


def test_a_transform_of_the_cloud_s_time_that_comes_a_little_later_is_waited_for(robot, package, make_cloud, until):
    robot.serving(tf_max_wait_s=10.0)
    robot.drove(1.0)
    robot.encode(1.0)
    robot.clouds.publish(make_cloud(XYZ_M, 1_500_000_000))
    robot.counted(received=1, served=0)
    robot.drove(1.5)
    until(lambda: robot.answers, "the answer")
    robot.counted(served=1, without_images=0)


def test_transforms_that_always_come_too_late_make_three_clouds_wait_and_no_more(robot):
    robot.serving(tf_max_wait_s=0.05)
    robot.drove(1.0)
    robot.encode(1.0)
    for number in range(1, 5):
        robot.ask(1.0 + number / 10)
    assert robot.node.segmentation._ensemble._patience._waits_in_vain >= 3
    robot.counted(served=4, without_images=4)


def test_a_recording_that_loops_gets_no_features_of_its_end(robot, package):
    robot.serving()
    robot.drove(9.0, 9.1)
    robot.encode(9.0)
    assert (robot.ask(9.1) != _expected(package)).sum() > 20
    np.testing.assert_array_equal(robot.ask(1.0), _expected(package))
    robot.counted(jumps=1, without_images=1)
    robot.node._clock_jumped_back()
    robot.drove(20.0, 20.1)
    robot.encode(20.0)
    assert (robot.ask(20.1) != _expected(package)).sum() > 20
    robot.counted(served=3, without_images=1, faults=0)


def test_an_image_encoder_that_fails_leaves_clouds_to_the_network_and_may_recover(robot, graph, package):
    robot.serving()
    robot.drove(1.0, 1.1, 1.2)
    healthy = robot.tower._encode

    def broken(rgb):
        raise BadModelPackage("image_encoder.onnx: out of memory")

    robot.tower._encode = broken
    robot.picture(1.0)
    np.testing.assert_array_equal(robot.ask(1.0), _expected(package))
    robot.counted(served=1, without_images=1, faults=1)
    graph.logs("images cannot be encoded: image_encoder.onnx: out of memory")
    robot.tower._encode = healthy
    robot.encode(1.1)
    assert (robot.ask(1.2) != _expected(package)).sum() > 20


def test_an_image_encoder_that_hangs_neither_stops_clouds_nor_the_node(robot, graph, package, monkeypatch):
    monkeypatch.setattr("lidar_vl_ros.tasks.picture_tower._STOP_TIMEOUT_S", 0.2)
    monkeypatch.setattr("lidar_vl_ros.tasks.camera_ensemble._STUCK_S", 0.1)
    robot.serving()
    gate, entered = threading.Event(), threading.Event()
    robot.tower._encode = lambda rgb: entered.set() or gate.wait(30)
    robot.picture(1.0)
    robot.ask(1.0)
    assert entered.wait(30)
    np.testing.assert_array_equal(robot.ask(1.1), _expected(package))
    robot.counted(served=2, without_images=2)
    assert graph.transition(NODE, "deactivate")
    assert graph.transition(NODE, "cleanup")
    gate.set()
    graph.logs("its thread is abandoned")


def test_age_and_share_of_what_was_used_are_told(robot, until):
    robot.serving()
    robot.drove(1.0, 1.4)
    robot.encode(1.0)
    robot.ask(1.4)
    until(lambda: "age_ms_p50" in {each.key for each in robot.status().values}, "the age")
    values = {each.key: each.value for each in robot.status().values}
    assert (values["age_ms_p50"], values["age_ms front"], values["encoded"]) == ("400", "400", "1")
    assert 0 < float(values["share_p50"]) < 1
    assert float(values["image_ms_p50"]) > 0
