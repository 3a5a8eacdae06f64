"""The node's watch over its calibration: a topic and diagnostics, a warning where a camera is turned, nothing unless asked."""

import json
from functools import partial

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lidar_vl_ros.detection_node import DetectionNode
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

NODE, CAMERA = "detection_node", "/camera/front/image"
S = 1_000_000_000
WIDTH, HEIGHT, FOCAL_PX = 640, 400, 450.0
PANELS = [
    (8.0, -3.0, -0.5, 40),
    (7.0, 0.4, 0.4, 220),
    (9.0, 2.6, -0.2, 90),
    (6.0, -1.2, 0.6, 10),
    (10.0, 4.6, 0.3, 250),
]


def _met(rays):
    """Depth along x and grey where rays (N, 3) from the sensors' place meet a panel of 1.2 m, else the wall at 20 m."""
    x_m, grey = np.full(len(rays), 20.0), np.full(len(rays), 128.0)
    for at, y, z, value in PANELS:
        hit = rays * (at / rays[:, :1])
        inside = (np.abs(hit[:, 1] - y) < 0.6) & (np.abs(hit[:, 2] - z) < 0.6) & (at < x_m)
        x_m[inside], grey[inside] = at, value
    return x_m, grey


def _cloud():
    azimuth, elevation = np.meshgrid(
        np.radians(np.arange(-36, 36, 0.25)), np.radians(np.arange(-20, 20, 0.6)), indexing="ij"
    )
    rays = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    rays = rays.reshape(-1, 3)
    return (rays * (_met(rays)[0] / rays[:, 0])[:, None]).astype(np.float32)


def _picture():
    v, u = np.mgrid[:HEIGHT, :WIDTH].reshape(2, -1)
    rays = np.stack([np.ones(u.size), -(u - 319.5) / FOCAL_PX, -(v - 199.5) / FOCAL_PX], 1)
    return np.repeat(_met(rays)[1].astype(np.uint8).reshape(HEIGHT, WIDTH, 1), 3, axis=2)


def _mounted(yaw_deg):
    """The camera's optical frame at the LiDAR's place, turned about the vehicle's z."""
    half = np.radians(yaw_deg) / 2
    # (0, 0, sin, cos) * (-0.5, 0.5, -0.5, 0.5), the optical frame of a camera that looks ahead
    s, c = np.sin(half), np.cos(half)
    x, y, z, w = -0.5 * c - 0.5 * s, 0.5 * c - 0.5 * s, -0.5 * c + 0.5 * s, 0.5 * c + 0.5 * s
    return f"lidar front_optical 0 0 0 {x} {y} {z} {w}"


@pytest.fixture
def watched(graph, fake_detector, make_cloud, until):
    class Watched:
        def __init__(self):
            self.told: list[dict] = []
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
            self.images = graph.probe.create_publisher(Image, CAMERA, 10)
            self.infos = graph.probe.create_publisher(CameraInfo, "/camera/front/camera_info", 10)
            graph.subscribe(
                String, f"/{NODE}/debug/calibration", lambda message: self.told.append(json.loads(message.data)), 10
            )
            self.stamps = iter(range(S, 10_000 * S, S // 10))
            self.cloud, self.rgb = make_cloud(_cloud()), _picture()

        def start(self, yaw_deg=0.0, **parameters):
            parameters = {"calibration_check_s": 0.05, "cameras.front.topic": CAMERA} | parameters
            self.node = graph.start(
                partial(DetectionNode, lambda settings: fake_detector),
                model="made-up",
                static_transforms=[_mounted(yaw_deg)],
                **parameters,
            )
            for publisher in (self.clouds, self.images, self.infos):
                until(lambda publisher=publisher: publisher.get_subscription_count() == 1, "the node")
            return self

        def send(self):
            header = Header(stamp=time_message(next(self.stamps)), frame_id="front_optical")
            K = [FOCAL_PX, 0.0, 319.5, 0.0, FOCAL_PX, 199.5, 0.0, 0.0, 1.0]
            self.infos.publish(
                CameraInfo(header=header, width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5, k=K)
            )
            self.images.publish(rgb_image(header, self.rgb))
            self.cloud.header.stamp = header.stamp
            self.clouds.publish(self.cloud)

        def answer(self):
            until(lambda: self.send() or self.told, "what is told of the calibration")
            return self.told[-1]["cameras"]["front"]

        def status(self):
            name = f"{NODE}: calibration front"

            def found():
                return [each for message in graph.diagnostics for each in message.status if each.name == name]

            return until(found, "the diagnostics of the calibration")[-1]

    return Watched()


def test_a_right_calibration_is_told_as_one_that_fits(watched):
    found = watched.start().answer()
    assert found["verdict"] == "fits", found["text"]
    assert abs(found["yaw_deg"]["best"]) < 0.3
    assert watched.status().level == DiagnosticStatus.OK


def test_a_camera_that_is_turned_by_a_degree_is_warned_of_with_the_angle(watched, graph):
    found = watched.start(yaw_deg=1.0).answer()
    assert found["verdict"] == "off", found["text"]
    assert abs(found["yaw_deg"]["best"]) == pytest.approx(1.0, abs=0.3)
    status = watched.status()
    assert status.level == DiagnosticStatus.WARN
    assert status.message.startswith("off: the points fit the image best")
    graph.logs("calibration of camera front: off: the points fit the image best")


def test_unless_it_is_asked_for_no_image_is_looked_at(watched, graph, until):
    watched.start(calibration_check_s=0.0)
    assert watched.node._calibration is None
    assert not watched.node.outputs.needs_images()
