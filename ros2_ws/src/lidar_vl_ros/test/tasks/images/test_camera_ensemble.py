"""The ensemble mode: clouds wait for their pictures, not longer than allowed, and each is answered once."""

import time

import numpy as np
import pytest
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float64, Header

from lidar_vl_core.cameras.image import decode_image
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.segmenter import Segmenter
from ros2_ws.src.lidar_vl_ros.test.tasks.images.front_camera import (
    CAMERA,
    FRONT,
    HEIGHT,
    NODE,
    RGB,
    WIDTH,
    XYZ_M,
    CameraRobot,
    K,
    cloud_of,
    front_view,
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("ensemble") / "package", image_size=(48, 64)).path


@pytest.fixture
def robot(graph, make_cloud, until, package):
    class Robot(CameraRobot):
        def start(self, **parameters):
            options = {"cameras.front.topic": CAMERA, "static_transforms": [FRONT], "ensemble": True, "threads": 1}
            options["image_features_max_age_s"] = 0.0  # each cloud waits for its own
            self.node = graph.start(SegmentationNode, model=str(package), **options | parameters)
            return self.node

        def serving(self, **parameters):
            self.start(**parameters)
            self.heard_by_the_node(self.clouds, self.camera, self.info)
            self.send_calibration()
            return self

        def send_cloud(self, stamp_ns):
            self.clouds.publish(make_cloud(XYZ_M, stamp_ns))

    return Robot(graph, until)


def _expected(package, with_picture, words=None):
    """Classes by the core, from the same cloud and picture."""
    segmenter = Segmenter(load_model_package(package), threads=1)
    if words is not None:
        segmenter.set_words(words)
    fusion = CameraFusion(segmenter, threads=1)
    views = [front_view()] if with_picture else []
    return fusion.segment(cloud_of(), views, lambda view, error: None).class_id


def test_a_cloud_waits_for_its_picture_and_is_named_by_both(robot, package):
    robot.serving(camera_max_wait_s=10.0)
    robot.send_cloud(1_000_000_000)
    robot.counted(received=1, waiting=1)
    robot.send_picture(1_010_000_000)
    np.testing.assert_array_equal(robot.answered(1), _expected(package, True))
    assert (_expected(package, True) != _expected(package, False)).sum() > 20
    robot.counted(served=1, without_images=0, faults=0)


def test_a_cloud_without_a_picture_is_named_by_the_network_alone_after_the_longest_wait(robot, package):
    robot.serving(camera_max_wait_s=0.2)
    started_s = time.monotonic()
    robot.send_cloud(1_000_000_000)
    np.testing.assert_array_equal(robot.answered(1), _expected(package, False))
    assert 0.2 <= time.monotonic() - started_s < 5.0
    robot.send_picture(5_000_000_000)  # too far from the next cloud
    robot.send_cloud(6_000_000_000)
    robot.answered(2)
    robot.counted(served=2, without_images=2)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("transform", "front_optical"), ("size", "expected images of 128 x 96"), ("encoding", "encoding: expected")],
)
def test_a_picture_that_cannot_be_used_is_named_and_the_cloud_answered_without_it(robot, graph, package, fault, reason):
    robot.serving(static_transforms=["lidar other 0 0 0 0 0 0 1"] if fault == "transform" else [FRONT])
    robot.send_picture(1_000_000_000) if fault == "transform" else None
    if fault == "size":
        robot.send_picture(1_000_000_000, np.zeros((8, 8, 3), np.uint8))
    if fault == "encoding":
        picture = rgb_image(Header(stamp=time_message(1_000_000_000), frame_id="front_optical"), RGB)
        picture.encoding = "32FC1"
        robot.camera.publish(picture)
    robot.send_cloud(1_000_000_000)
    np.testing.assert_array_equal(robot.answered(1), _expected(package, False))
    robot.counted(served=1, without_images=1, **{"unplaced" if fault == "transform" else "faults": 1})
    graph.logs("camera front left out: ")
    graph.logs(reason)


def test_trouble_that_stays_is_logged_once_and_counted_every_time(robot, graph):
    robot.serving(static_transforms=["lidar other 0 0 0 0 0 0 1"])
    for second in (1, 2, 3):
        robot.send_picture(second * 1_000_000_000)
        robot.send_cloud(second * 1_000_000_000)
        robot.answered(second)
    robot.counted(served=3, unplaced=3, faults=0)
    graph.logs("camera front left out")
    assert graph.logs("camera front left out").count("camera front left out") == 1


def test_a_rectified_picture_is_drawn_by_p_and_without_distortion(robot, until):
    robot.start(**{"cameras.front.topic": "/camera/front/image_rect"})
    until(lambda: robot.info.get_subscription_count() == 1, "the node")
    P = [70.0, 0, 60.0, 0, 0, 70.0, 40.0, 0, 0, 0, 1.0, 0]
    lens = {"width": WIDTH, "height": HEIGHT, "distortion_model": "PLUMB_BOB", "d": [-0.3, 0.1, 0, 0, 0.0, 0, 0, 0]}
    message = CameraInfo(k=K.ravel().tolist(), r=np.eye(3).ravel().tolist(), p=P, **lens)
    known = robot.node._front_end._cameras._calibrations["front"]
    until(lambda: robot.info.publish(message) or known.at(1) is not None, "the calibration")
    np.testing.assert_allclose(known.at(1).project(np.array([[1.0, 0.5, 5.0]]))[0], [[74.0, 47.0]])


def test_clouds_that_cannot_be_paired_are_answered_all_the_same(robot):
    robot.serving(camera_max_wait_s=0.05)
    for count, stamp_ns in enumerate((0, 0, 1_000_000_000, 1_000_000_000, 2_000_000_000), start=1):
        robot.send_cloud(stamp_ns)
        robot.answered(count)
    robot.counted(received=5, served=5, waiting=0, without_images=5)


def test_a_bag_that_loops_leaves_no_cloud_behind(robot):
    robot.serving(camera_max_wait_s=10.0)
    robot.send_cloud(9_000_000_000)
    robot.counted(received=1)
    robot.send_cloud(1_000_000_000)
    robot.answered(1)  # it no longer waits for pictures of a time that is over
    robot.send_picture(1_000_000_000)
    robot.answered(2)
    robot.counted(served=2, jumps=1, without_images=1)


def test_a_cloud_that_waits_when_the_node_is_deactivated_is_counted(robot, graph, until):
    robot.serving(camera_max_wait_s=10.0)
    robot.send_cloud(1_000_000_000)
    robot.counted(received=1)
    assert graph.transition(NODE, "deactivate")
    robot.counted(discarded=1, waiting=0)
    until(lambda: robot.camera.get_subscription_count() == 0, "the end of the interest in the camera")
    assert graph.transition(NODE, "activate")
    until(lambda: robot.clouds.get_subscription_count() == 1 == robot.camera.get_subscription_count(), "the node")
    robot.send_cloud(2_000_000_000)
    robot.send_picture(2_000_000_000)
    robot.answered(1)


def test_words_that_change_while_a_cloud_waits_are_those_of_its_answer(robot, graph, package):
    robot.serving(camera_max_wait_s=10.0)
    robot.send_cloud(1_000_000_000)
    robot.counted(received=1)
    assert graph.set_parameter(NODE, "prompts", ["car", "tree", "road"]).successful
    robot.send_picture(1_000_000_000)
    np.testing.assert_array_equal(robot.answered(1), _expected(package, True, ["car", "tree", "road"]))


def test_a_picture_that_answer_and_overlay_both_use_is_decoded_once(robot, graph, until, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "lidar_vl_ros.inputs.cameras.decode_image", lambda message: decoded.append(1) or decode_image(message)
    )
    robot.serving()
    overlays = []
    graph.subscribe(Image, f"/{NODE}/output/image/overlay", overlays.append, 10)
    until(lambda: robot.node.outputs.needs_images(), "the node's knowledge of who looks")
    for second in (1, 2):
        robot.send_picture(second * 1_000_000_000)
        robot.send_cloud(second * 1_000_000_000)
        until(lambda second=second: len(overlays) == second, "an overlay")
    assert len(decoded) == 2


def test_what_the_pictures_cost_is_published(robot, graph, until):
    heard = {}
    for stage in ("image_encoder", "fusion", "network", "total"):
        graph.subscribe(
            Float64, f"/{NODE}/debug/{stage}_ms", lambda m, stage=stage: heard.setdefault(stage, m.data), 10
        )
    robot.serving()
    stamps = iter(range(1_000_000_000, 1_000_000_000_000, 100_000_000))

    def all_heard():
        stamp_ns = next(stamps)
        robot.send_picture(stamp_ns)
        robot.send_cloud(stamp_ns)
        return len(heard) == 4

    until(all_heard, "all timings")
    assert 0 < heard["image_encoder"] < heard["total"]
    assert 0 < heard["fusion"] < heard["total"]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"cameras.front.topic": None}, "ensemble: expected cameras"),
        ({"cameras.front.topic": f"{CAMERA}/ffmpeg"}, f"Use {CAMERA} or {CAMERA}/compressed"),
        ({"model": "demo"}, "expected a package of task embedding"),
    ],
    ids=["no camera", "a video", "a model without words"],
)
def test_an_ensemble_that_cannot_be_is_refused_when_configured(graph, package, parameters, reason):
    options = {"cameras.front.topic": CAMERA, "ensemble": True, "model": str(package)} | parameters
    graph.start(SegmentationNode, **{name: value for name, value in options.items() if value is not None})
    graph.logs(reason)
    assert graph.state(NODE) == "unconfigured"
