"""A model that reads colours on clouds of a LiDAR: they get those of their own pictures, as in a replay."""

import numpy as np
import pytest
from lidar_vl_ros.messages.sensor_data import point_cloud2
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from std_msgs.msg import Header

from lidar_vl_core.clouds.colours import packed_rgb
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures
from lidar_vl_core.tasks.segmenter import Segmenter
from ros2_ws.src.lidar_vl_ros.test.tasks.images.front_camera import (
    CAMERA,
    FRONT,
    XYZ_M,
    CameraRobot,
    cloud_of,
    front_view,
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    from tests.written.embedding_packages import write_embedding_package

    folder = tmp_path_factory.mktemp("colours") / "package"
    return write_embedding_package(folder, features=("one", "red", "green", "blue")).path


@pytest.fixture
def robot(graph, until, package):
    class Robot(CameraRobot):
        def serving(self, with_camera=True, **parameters):
            if with_camera:
                parameters |= {"cameras.front.topic": CAMERA, "static_transforms": [FRONT]}
            self.node = graph.start(SegmentationNode, model=str(package), threads=1, **parameters)
            self.heard_by_the_node(self.clouds, *([self.camera] if with_camera else []))
            if with_camera:
                self.send_calibration()
            return self

    return Robot(graph, until)


def _expected(package, with_picture):
    """Classes by the core, from the same cloud and picture."""
    segmenter = Segmenter(load_model_package(package), threads=1)
    return segmenter.segment(coloured_by_pictures(cloud_of(), [front_view()] if with_picture else [])).class_id


def test_a_cloud_waits_for_its_picture_and_is_seen_in_its_colours(robot, package, make_cloud):
    robot.serving(camera_max_wait_s=10.0)
    robot.clouds.publish(make_cloud(XYZ_M, 1_000_000_000))
    robot.counted(received=1, waiting=1)
    robot.send_picture(1_010_000_000)
    np.testing.assert_array_equal(robot.answered(1), _expected(package, True))
    assert (_expected(package, True) != _expected(package, False)).any()
    robot.counted(served=1, without_images=0, faults=0)


def test_a_cloud_whose_picture_does_not_come_is_seen_grey_and_that_is_told(robot, package, make_cloud):
    robot.serving(camera_max_wait_s=0.2)
    robot.clouds.publish(make_cloud(XYZ_M, 1_000_000_000))
    np.testing.assert_array_equal(robot.answered(1), _expected(package, False))
    robot.counted(served=1, without_images=1, faults=0)


def test_without_cameras_the_node_says_what_the_model_needs(robot, make_cloud, until, capfd):
    robot.serving(with_camera=False)
    robot.clouds.publish(make_cloud(XYZ_M, 1_000_000_000))
    robot.counted(received=1, bad=1)
    told = []
    until(
        lambda: told.append(capfd.readouterr().err) or "or cameras that see it" in "".join(told), f"the reason, {told}"
    )
    assert not robot.answers


def test_clouds_with_colours_of_their_own_keep_them_and_wait_for_no_picture(robot, package):
    robot.serving(camera_max_wait_s=10.0)
    rgb = np.random.default_rng(8).integers(0, 256, XYZ_M.shape, np.uint8)
    columns = {**dict(zip("xyz", XYZ_M.T, strict=True)), "intensity": np.full(len(XYZ_M), 0.25, np.float32)}
    columns["rgb"] = packed_rgb(rgb)
    for number in (1, 2):
        header = Header(stamp=time_message(number * 1_000_000_000), frame_id="lidar")
        robot.clouds.publish(point_cloud2(header, columns))
        if number == 1:  # nothing is known of these clouds yet
            robot.counted(received=1, waiting=1)
            robot.send_picture(1_010_000_000)
        cloud = PointCloud(XYZ_M, columns["intensity"], number, "lidar", {"rgb": rgb})
        of_core = Segmenter(load_model_package(package), threads=1).segment(cloud).class_id
        np.testing.assert_array_equal(robot.answered(number), of_core)
    robot.counted(served=2, without_images=0)
    assert not robot.node.images_needed()
