"""The overlay: pictures are decoded only while somebody looks, and points land on the pixels they belong to."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from lidar_vl_ros.inputs.camera_parameters import camera_info_topic
from lidar_vl_ros.inputs.live_transforms import static_transform
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from PIL import Image as PictureFile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.cameras.image import decode_image, encode_jpeg

NODE, OVERLAY = "segmentation_node", "/segmentation_node/output/image/overlay"
CAMERA = "/camera/front/image"
# Optical frame: z forward, x right, y down, at the LiDAR's place.
FRONT = "lidar front_optical 0 0 0 -0.5 0.5 -0.5 0.5"
WIDTH, HEIGHT = 160, 120


@pytest.fixture
def street(graph, fake_segmenter, make_cloud, until):
    """A node with one camera, and a publisher of one cloud, one picture and one calibration of the same moment."""

    class Street:
        def __init__(self):
            self.pictures: list[Image] = []
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
            self.info = graph.probe.create_publisher(CameraInfo, "/camera/front/camera_info", 10)

        def start(self, camera=CAMERA, **parameters):
            kind = CompressedImage if camera.endswith("/compressed") else Image
            self.camera = graph.probe.create_publisher(kind, camera, 10)
            make = partial(SegmentationNode, lambda settings: fake_segmenter)
            options = {
                "cameras.front.topic": camera,
                "static_transforms": [FRONT],
                "overlay_width_px": WIDTH,
            } | parameters
            self.node = graph.start(make, **options)
            until(lambda: self.clouds.get_subscription_count() == 1 and self.node._input.topic, "the node")
            until(lambda: self.camera.get_subscription_count() == 1, "the node's interest in the camera")
            until(lambda: self.info.get_subscription_count() == 1, "the node's interest in the calibration")

        def look(self):
            graph.subscribe(Image, OVERLAY, self.pictures.append, 10)
            until(self.node.outputs.needs_images, "the node's knowledge of who looks")

        def send(self, stamp_ns, picture=None):
            self.send_picture(stamp_ns, picture)
            self.send_cloud(stamp_ns)

        def send_picture(self, stamp_ns, picture=None):
            header = Header(stamp=time_message(stamp_ns), frame_id="front_optical")
            rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            picture = rgb_image(header, rgb) if picture is None else picture
            picture.header = header
            self.info.publish(self.calibration(header))
            self.camera.publish(picture)

        def send_cloud(self, stamp_ns):
            # Ten metres ahead: the centre of the picture. To the left: its left half.
            self.clouds.publish(make_cloud(np.array([[10, 0, 0], [10, 5, 0]]), stamp_ns))

        def calibration(self, header):
            k = [100.0, 0.0, 79.5, 0.0, 100.0, 59.5, 0.0, 0.0, 1.0]
            size = {"width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob", "d": [0.0] * 5}
            return CameraInfo(header=header, k=k, **size)

        def calibrate(self):
            message, cameras = self.calibration(Header(frame_id="front_optical")), self.node._front_end._cameras
            until(lambda: self.info.publish(message) or cameras.is_calibrated("front"), "the calibration")

        def until_a_picture(self, **message):
            stamps = iter(range(1_000_000_000, 1_000_000_000_000, 100_000_000))
            until(lambda: self.send(next(stamps), **message) or self.pictures, "an overlay")
            return self.pictures[-1]

    return Street()


def test_pictures_are_paired_and_not_decoded_until_somebody_looks(street, graph, until, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "lidar_vl_ros.inputs.cameras.decode_image", lambda message: decoded.append(1) or decode_image(message)
    )
    street.start()
    graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/segmentation", lambda message: None, 10)
    until(street.node.outputs.wanted, "the listener")
    stamps = iter(range(1_000_000_000, 1_000_000_000_000, 100_000_000))

    def counts():
        return street.node._front_end._health["front"].values(street.node._front_end._clouds.camera_states(0)["front"])

    until(lambda: street.send(next(stamps)) or counts()["paired"] > 3, "paired clouds")
    assert decoded == []
    street.look()
    until(lambda: street.send(next(stamps)) or street.pictures, "an overlay")
    assert decoded


def test_points_are_drawn_where_the_camera_sees_them(street, fake_segmenter):
    street.start()
    street.look()
    picture = street.until_a_picture()
    rgb = np.frombuffer(picture.data, np.uint8).reshape(picture.height, picture.width, 3)[-HEIGHT:]  # below its caption
    first, second = (fake_segmenter.classes.colors_rgb[class_id].astype(int) for class_id in (0, 1))
    assert (picture.encoding, picture.width) == ("rgb8", WIDTH)
    assert np.abs(rgb[60, 80].astype(int) - first).max() < 60
    assert np.abs(rgb[60, 30].astype(int) - second).max() < 60
    assert rgb[20, 80].max() == 0


def _mask(path, width=WIDTH):
    """Black where the left half of a picture shows the own car."""
    world = np.zeros((HEIGHT, width), np.uint8)
    world[:, 50:] = 255
    PictureFile.fromarray(world).save(path)
    return str(path)


def test_points_on_the_own_car_in_a_picture_are_not_drawn(street, fake_segmenter, tmp_path):
    street.start(**{"cameras.front.mask": _mask(tmp_path / "mask.png")})
    street.look()
    picture = street.until_a_picture()
    rgb = np.frombuffer(picture.data, np.uint8).reshape(picture.height, picture.width, 3)[-HEIGHT:]
    assert np.abs(rgb[60, 80].astype(int) - fake_segmenter.classes.colors_rgb[0].astype(int)).max() < 60
    assert rgb[:, :50].max() == 0


def test_a_mask_of_another_size_than_the_calibration_leaves_its_camera_out(street, graph, until, tmp_path):
    street.start(**{"cameras.front.mask": _mask(tmp_path / "mask.png", width=80)})
    street.look()
    stamps = iter(range(1_000_000_000, 1_000_000_000_000, 100_000_000))
    until(lambda: street.send(next(stamps)) or "camera front left out: mask: expected" in graph.logged, "the reason")
    until(lambda: street.node.health.counts()["served"] > 0, "a served cloud")


def test_a_mask_that_cannot_be_read_is_refused_when_the_node_is_configured(graph, fake_segmenter):
    parameters = {"cameras.front.topic": CAMERA, "cameras.front.mask": "/nowhere/mask.png"}
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), **parameters)
    assert "on_configure refused: " in graph.logs("mask /nowhere/mask.png: expected a PNG or JPEG")


def test_compressed_pictures_are_understood(street):
    street.start(camera="/camera/front/image/compressed")
    street.look()
    jpeg = CompressedImage(format="jpeg", data=encode_jpeg(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    assert street.until_a_picture(picture=jpeg).width == WIDTH


@pytest.mark.parametrize("fault", ["transform", "size"])
def test_a_camera_that_cannot_be_drawn_is_named_and_the_cloud_served_all_the_same(street, graph, until, fault):
    street.start(static_transforms=[FRONT if fault == "size" else "lidar other 0 0 0 0 0 0 1"])
    street.look()
    stamps = iter(range(1_000_000_000, 1_000_000_000_000, 100_000_000))

    def sent():
        street.send(next(stamps), rgb_image(Header(), np.zeros((8, 8, 3), np.uint8)) if fault == "size" else None)
        return "camera front left out" in graph.logged

    until(sent, "the reason")
    assert not street.pictures
    until(lambda: street.node.health.counts()["served"] > 0, "a served cloud")


def test_the_calibration_is_looked_for_beside_the_picture():
    assert camera_info_topic("/camera/front/image/compressed") == "/camera/front/camera_info"
    assert camera_info_topic("/camera/front/image_raw") == "/camera/front/camera_info"
    assert camera_info_topic("/image") == "/camera_info"


def _moved(street, *stamps_ns):
    """What /tf would tell; its messages are on no wheel."""
    for stamp_ns in stamps_ns:
        moves = static_transform(f"odom lidar {stamp_ns / 1e9} 0 0 0 0 0 1")
        moves.header.stamp = time_message(stamp_ns)
        street.node.transforms._moving(SimpleNamespace(transforms=[moves]))


def test_of_clouds_whose_tf_is_late_each_gets_its_picture_by_the_static_chain_and_is_counted(street, graph, until):
    street.start(tf_max_wait_s=0.0, camera_max_wait_s=10.0)
    street.look()
    street.calibrate()
    clouds = street.node._front_end._clouds
    _moved(street, 500_000_000)
    for count in range(1, 14):
        stamp_ns = 1_000_000_000 + 100_000_000 * count
        _moved(street, stamp_ns - 150_000_000)
        street.send_picture(stamp_ns)
        until(lambda count=count: clouds.camera_states(0)["front"].received == count, f"image {count} at the node")
        street.send_cloud(stamp_ns)
        until(lambda count=count: len(street.pictures) == count, f"picture {count}")
    values = street.node._front_end._health["front"].values(clouds.camera_states(0)["front"])
    assert (values["paired"], values["static_chain"], values["unplaced"]) == (13, 13, 0)
    graph.logs(
        "camera front is placed as if nothing had moved between its image and the cloud: transform odom -> lidar"
    )


def test_a_cloud_waits_for_tf_that_comes_in_time(street, until):
    street.start(tf_max_wait_s=10.0, camera_max_wait_s=10.0)
    street.look()
    street.calibrate()
    _moved(street, 500_000_000)
    street.send(1_000_000_000)
    until(lambda: street.node._front_end._clouds.waits, "the waiting cloud")
    assert street.node.health.counts()["waiting"] == 1
    _moved(street, 1_100_000_000)
    until(lambda: street.pictures, "the picture")
    front_end = street.node._front_end
    assert front_end._health["front"].values(front_end._clouds.camera_states(0)["front"])["static_chain"] == 0
