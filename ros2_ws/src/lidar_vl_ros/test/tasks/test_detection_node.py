"""The detection node in a real graph: boxes for clouds, as markers and as a cloud of boxes, and what is counted."""

import json
from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.detection_node import DetectionNode
from lidar_vl_ros.messages.detections import DetectionTypes
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.messages.sensor_data import point_cloud2, rgb_image
from lidar_vl_ros.messages.time_message import time_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Float64, Header, String
from visualization_msgs.msg import Marker

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadBoxes
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.tasks.detector import Detector
from ros2_ws.src.lidar_vl_ros.test.tasks.detecting_robot import (
    BOXES,
    INPUT,
    NODE,
    DetectingRobot,
    S,
    classes_of,
)


@pytest.fixture
def robot(graph, fake_detector, make_cloud, until):
    return DetectingRobot(graph, fake_detector, make_cloud, until)


def test_boxes_come_out_best_first_under_the_cloud_s_header(robot, fake_detector):
    markers, boxes = robot.start().ask(stamp_ns=12 * S + 345)
    assert boxes.header == markers.markers[0].header
    assert (boxes.header.frame_id, boxes.header.stamp.nanosec) == ("lidar_top", 345)
    cyclist, car = fake_detector.classes.id_of("Cyclist"), fake_detector.classes.id_of("Car")
    assert classes_of(boxes) == [cyclist, car]
    assert [marker.text for marker in markers.markers if marker.text] == ["Cyclist 0.90, 5.0 m/s", "Car 0.50"]


def test_an_empty_cloud_gives_no_boxes_and_takes_those_before_off_the_screen(robot):
    robot.start().ask()
    markers, boxes = robot.ask(np.zeros((0, 3)), 2 * S)
    assert [marker.action for marker in markers.markers] == [Marker.DELETEALL]
    assert (boxes.width, boxes.header.stamp.sec) == (0, 2)
    robot.counted(received=2, served=2, failed=0)


def test_limits_of_classes_hold_and_may_change_while_the_node_serves(robot, graph, fake_detector):
    robot.start(**{"min_score": 0.6, "classes.Car.min_score": 0.4, "classes.Cyclist.max_range_m": 50.0})
    cyclist, car = fake_detector.classes.id_of("Cyclist"), fake_detector.classes.id_of("Car")
    assert classes_of(robot.ask(stamp_ns=S)[1]) == [cyclist, car]
    assert graph.set_parameter(NODE, "classes.Cyclist.max_range_m", 15.0).successful
    assert classes_of(robot.ask(stamp_ns=2 * S)[1]) == [car]
    assert graph.set_parameter(NODE, "classes.Car.min_score", 0.55).successful
    assert classes_of(robot.ask(stamp_ns=3 * S)[1]) == []
    result = graph.set_parameter(NODE, "marker_lifetime_s", 3.0)
    assert not result.successful
    assert "marker_lifetime_s: cannot change while active" in result.reason


def test_boxes_that_are_no_numbers_are_never_published_and_the_next_cloud_is_served(robot, fake_detector):
    robot.start().ask()
    good = fake_detector.boxes
    fake_detector.boxes = BadBoxes("boxes: expected finite numbers, found nan in row 0")  # what Boxes3d says of them
    robot.clouds.publish(PointCloud2())
    robot.counted(bad=1)
    robot.clouds.publish(robot.boxes[-1])
    robot.counted(failed=1)
    fake_detector.boxes = Boxes3d.of(good.boxes, good.class_id, [np.nan, 0.9], [[np.inf, 1.0]] * 2)
    _, boxes = robot.ask(stamp_ns=5 * S)
    cloud = decode(boxes, ("score", "vx", "vy"))
    assert cloud.extra["score"].tolist() == pytest.approx([0.9])
    assert np.isnan([cloud.extra["vx"], cloud.extra["vy"]]).all()
    robot.counted(served=2, failed=1, faults=1)


def test_boxes_in_a_cloud_far_from_its_frame_s_origin_are_published_in_the_frame(robot, fake_detector, until):
    origin_m, boxes = np.array([4.0e5, 5.0e6, 100.0]), fake_detector.boxes
    fake_detector.boxes = Boxes3d.of(boxes.boxes + np.r_[origin_m, np.zeros(4)], boxes.class_id, boxes.score)
    robot.start()
    columns = dict(zip("xyz", (np.array([[5.0, 5, 0], [20, -5, 1]]) + origin_m).T, strict=True))
    robot.clouds.publish(point_cloud2(Header(stamp=time_message(S), frame_id="map"), columns))
    until(lambda: robot.boxes, "the boxes")
    xyz_m = np.stack(decode(robot.boxes[-1]).coordinates(), axis=1)
    np.testing.assert_allclose(xyz_m, boxes.boxes[::-1, :3] + origin_m, atol=1e-3)


def test_class_names_of_boxes_reach_a_late_listener(robot, graph, fake_detector, until):
    robot.start()
    heard = []
    graph.subscribe(String, f"/{NODE}/output/objects/label_info", heard.append, LATCHED)
    until(lambda: heard, "the class names")
    assert json.loads(heard[0].data)["names"] == list(fake_detector.classes.names)


def test_the_stages_are_told_on_topics_of_their_own(robot, graph, until):
    heard = {}
    for stage in ("detection", "boxes", "total", "pipeline_latency"):
        topic = f"/{NODE}/debug/{stage}_ms"
        graph.subscribe(Float64, topic, lambda message, stage=stage: heard.setdefault(stage, message.data), 10)
    robot.start()
    until(lambda: robot.ask(stamp_ns=robot.node.get_clock().now().nanoseconds) and len(heard) == 4, "all timings")
    assert 0 <= heard["detection"] <= heard["total"]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"model": "demo"}, "expected a package of task detection, found segmentation"),
        ({"model": "made-up"}, "model 'made-up': expected a folder"),
    ],
    ids=["a segmenter's package", "unknown package"],
)
def test_a_model_that_finds_no_objects_is_refused_in_one_line(graph, until, parameters, reason):
    node = graph.start(DetectionNode, **parameters)
    until(lambda: node.health.counts()["refused"], "the refusal")
    graph.logs("on_configure refused: ")
    (line,) = [line for line in graph.logged.splitlines() if "on_configure" in line]
    assert reason in line
    assert "Traceback" not in graph.logged
    assert graph.state(NODE) == "unconfigured"


def test_limits_of_a_class_that_the_model_lacks_are_refused_with_those_it_has(graph, fake_detector):
    make = partial(DetectionNode, lambda settings: fake_detector)
    graph.start(make, **{"model": "made-up", "classes.lorry.min_score": 0.5})
    graph.logs("classes: expected one of")
    graph.logs("Car")
    assert graph.state(NODE) == "unconfigured"


@pytest.mark.parametrize("head", ["anchors", "centers"])
def test_a_detector_s_package_gives_the_boxes_that_the_core_finds(graph, make_cloud, until, tmp_path, head):
    from tests.written.tiny_detectors import ANCHORS, CENTERS, write_tiny_detector

    heads = {"anchors": ANCHORS, "centers": CENTERS}
    package = write_tiny_detector(tmp_path / "tiny", heads[head], ("intensity", "time"))  # it asks for time lags
    xyz_m = np.random.default_rng(5).uniform((0, -6, -2), (12, 6, 3), (2000, 3)).astype(np.float32)
    heard = []
    graph.subscribe(PointCloud2, BOXES, heard.append, 10)
    clouds = graph.probe.create_publisher(PointCloud2, INPUT, 10)
    node = graph.start(DetectionNode, model=str(package.path), threads=1, **{"classes.car.min_score": 0.4})
    until(lambda: clouds.get_subscription_count() == 1 and node.outputs.wanted(), "the node", 120.0)
    clouds.publish(make_cloud(xyz_m))
    until(lambda: heard, "the boxes")
    detector = Detector(package, threads=1, score_thresholds={"car": 0.4})
    lags = {TIME_LAG: np.zeros(len(xyz_m), np.float32)}
    expected = detector.detect(PointCloud(xyz_m, np.full(len(xyz_m), 0.25, np.float32), 0, "lidar", lags))
    found = decode(heard[0], ("length", "width", "height", "yaw", "score", "class_id"))
    assert len(expected) > 2
    np.testing.assert_allclose(found.xyz_m, expected.boxes[:, :3], atol=1e-5)
    np.testing.assert_array_equal(found.extra["class_id"], expected.class_id)
    np.testing.assert_array_equal(found.extra["score"], expected.score)
    np.testing.assert_allclose(found.extra["yaw"], expected.boxes[:, 6], atol=1e-6)


def test_boxes_are_drawn_where_the_camera_sees_them_once_somebody_looks(robot, graph, fake_detector, until):
    given = {"cameras.front.topic": "/front/image", "static_transforms": ["lidar_top front 0 0 0 -0.5 0.5 -0.5 0.5"]}
    robot.start(overlay_width_px=160, **given)
    camera, info = (
        graph.probe.create_publisher(kind, f"/front/{name}", 10)
        for kind, name in ((Image, "image"), (CameraInfo, "camera_info"))
    )
    for publisher in (camera, info):
        until(lambda publisher=publisher: publisher.get_subscription_count() == 1, "the node's interest in the camera")
    pictures = []
    graph.subscribe(Image, f"/{NODE}/output/image/objects", pictures.append, 10)
    until(robot.node.outputs.needs_images, "the node's knowledge of who looks")
    fake_detector.boxes = Boxes3d.of([[10.0, 0, 0, 2.0, 2.0, 2.0, 0.0]], [0], [0.9])  # straight ahead: 20 px a metre
    size = {"width": 160, "height": 120, "distortion_model": "plumb_bob", "d": [0.0] * 5}
    k = [180.0, 0, 79.5, 0, 180.0, 59.5, 0, 0, 1]

    def sent(stamp_ns):
        header = Header(stamp=time_message(stamp_ns), frame_id="front")
        info.publish(CameraInfo(header=header, k=k, **size))
        camera.publish(rgb_image(header, np.zeros((120, 160, 3), np.uint8)))
        robot.ask([[10, 0, 0]], stamp_ns)
        return pictures

    stamps = iter(range(S, 1000 * S, S // 10))
    until(lambda: sent(next(stamps)), "boxes in a picture")
    rgb = np.frombuffer(pictures[0].data, np.uint8).reshape(pictures[0].height, 160, 3)[-120:]  # below its caption
    assert rgb[38:42, 60:100].max(axis=(0, 2)).min() > 60  # the upper edge of the nearer face, 9 m away
    assert rgb[:30].max() == 0
    assert rgb[:, :50].max() == 0


def test_where_vision_msgs_is_installed_detections_are_made_for_those_who_listen(robot, graph, monkeypatch, until):
    made = []
    types = DetectionTypes(String, *(None,) * 4)  # any message stands in for those that no wheel has
    monkeypatch.setattr(DetectionTypes, "installed", lambda: types)
    monkeypatch.setattr(
        "lidar_vl_ros.outputs.object_detections.detection_array",
        lambda given, found: made.append(len(found.boxes)) or String(data="detections"),
    )
    robot.start()
    robot.ask()
    assert made == []
    heard = []
    graph.subscribe(String, f"/{NODE}/output/objects/detections", heard.append, 10)
    until(lambda: robot.node.count_subscribers(f"/{NODE}/output/objects/detections") == 1, "the listener")
    stamps = iter(range(2 * S, 1000 * S, S))
    until(lambda: robot.ask(stamp_ns=next(stamps)) and heard, "detections")
    assert made[0] == 2
