"""Clouds and cameras of a running node: which cloud waits, which is dropped, and what is told of every camera."""

from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.clouds.point_cloud2 import decode

NODE = "segmentation_node"
LABELLED, OVERLAY = f"/{NODE}/output/pointcloud/segmentation", f"/{NODE}/output/image/overlay"
TRANSFORMS = [f"lidar {name}_optical 0 0 0 -0.5 0.5 -0.5 0.5" for name in ("front", "rear")]
WIDTH, HEIGHT = 64, 48
S = 1_000_000_000


@pytest.fixture
def car(graph, fake_segmenter, make_cloud, until):
    """A node, a LiDAR and cameras that send when they are told to."""

    class Car:
        def __init__(self):
            self.answers: list[PointCloud2] = []
            graph.subscribe(PointCloud2, LABELLED, self.answers.append, 50)
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
            self.cameras, self.infos = {}, {}

        def start(self, *names, calibrated=True, **parameters):
            for name in names:
                self.cameras[name] = graph.probe.create_publisher(Image, f"/{name}/image", 10)
                self.infos[name] = graph.probe.create_publisher(CameraInfo, f"/{name}/camera_info", 10)
            topics = {f"cameras.{name}.topic": f"/{name}/image" for name in names}
            make = partial(SegmentationNode, lambda settings: fake_segmenter)
            self.node = graph.start(make, static_transforms=TRANSFORMS, **topics | parameters)
            for publisher in (self.clouds, *self.cameras.values(), *self.infos.values()):
                until(lambda publisher=publisher: publisher.get_subscription_count() == 1, "the node")
            until(self.node.outputs.wanted, "the listener")
            if calibrated:
                for name in names:
                    self.calibrate(name)
            return self

        def camera_info(self, name):
            k = [50.0, 0.0, WIDTH / 2, 0.0, 50.0, HEIGHT / 2, 0.0, 0.0, 1.0]
            size = {"width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob", "d": [0.0] * 5}
            return CameraInfo(header=Header(frame_id=f"{name}_optical"), k=k, **size)

        def calibrate(self, name):
            info = self.camera_info(name)
            until(lambda: self.infos[name].publish(info) or self._cameras.is_calibrated(name), "the calibration")

        @property
        def _cameras(self):
            return self.node._front_end._cameras

        def send_cloud(self, stamp_ns, points=((10, 0, 0), (10, 5, 0))):
            self.clouds.publish(make_cloud(np.array(points, np.float32), stamp_ns))

        def send_image(self, name, stamp_ns):
            before = self.state(name).received
            header = Header(stamp=time_message(stamp_ns), frame_id=f"{name}_optical")
            self.cameras[name].publish(rgb_image(header, np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
            until(lambda: self.state(name).received > before, f"an image of {name} at the node")

        def state(self, name):
            return self.node._front_end._clouds.camera_states(0)[name]

        def answered(self, count):
            until(lambda: len(self.answers) == count, f"{count} answers")
            return self.answers[-1]

        def counted(self, **expected):
            def counts():
                return {name: self.node.health.counts()[name] for name in expected}

            until(lambda: counts() == expected, f"{expected}, last {self.node.health.counts()}")

        def diagnosed(self, name, words, meanwhile=lambda: None):
            """The figures of the first report on a camera whose message has these words."""

            def found():
                meanwhile()
                statuses = [status for array in list(graph.diagnostics) for status in array.status]
                return [each for each in statuses if each.name == f"{NODE}: {name}" and words in each.message]

            return {item.key: item.value for item in until(found, f"{words!r} of {name} in the diagnostics")[0].values}

    return Car()


def test_without_cameras_the_node_is_lidar_only_and_says_so(car, graph):
    car.start()
    car.send_cloud(S)
    car.answered(1)
    graph.logs("LiDAR only, as no cameras.NAME.topic is set")
    car.diagnosed("cameras", "none: LiDAR only")


def test_of_two_cameras_the_required_one_is_waited_for_and_without_its_image_a_cloud_is_dropped(car, graph):
    car.start("front", "rear", **{"cameras.front.required": True, "camera_max_wait_s": 0.9})
    car.send_cloud(S)
    car.counted(received=1, waiting=1)
    car.send_image("rear", S)
    car.counted(received=1, waiting=1)
    car.send_image("front", S)
    car.counted(served=1, unpaired=0)
    car.send_image("rear", 2 * S)
    car.send_cloud(2 * S)  # nothing of the front any more
    car.counted(served=1, unpaired=1)
    graph.logs("cloud dropped: no matching image of front, which is required")
    car.send_image("front", 3 * S)
    car.send_cloud(3 * S)  # nothing of the rear, which may be missing
    car.counted(served=2, unpaired=1, waiting=0)
    assert (car.state("front").missed, car.state("rear").missed) == (1, 1)


def test_a_silent_camera_is_told_and_costs_no_cloud(car, graph):
    car.start("front")
    car.send_image("front", S)
    car.send_cloud(S)
    car.answered(1)
    figures = car.diagnosed("camera front", "silent: no image on /front/image")
    assert figures["received"] == figures["silent"] == "1"
    graph.logs("camera front: no image for")
    for second in range(2, 5):
        car.send_cloud(second * S)
        car.answered(second)
    stamps = iter(range(5 * S, 500 * S, S // 10))
    car.diagnosed("camera front", "no clouds to pair", lambda: car.send_image("front", next(stamps)))


def test_a_late_image_is_counted_and_the_cloud_served_without_it(car):
    car.start("front", **{"cameras.front.offset_s": 0.5, "camera_max_wait_s": 0.05})
    car.send_image("front", S)
    car.send_cloud(S)
    car.answered(1)
    car.counted(served=1)
    car.node._front_end._clouds.poll(1 << 62)  # all waiting is over
    car.send_image("front", round(1.5 * S))
    assert (car.state("front").paired, car.state("front").missed, car.state("front").late) == (0, 1, 1)


def test_without_a_camera_info_the_cloud_is_served_and_the_topic_named(car, graph, until):
    car.start("front", calibrated=False)
    pictures: list[Image] = []
    graph.subscribe(Image, OVERLAY, pictures.append, 10)
    until(car.node.outputs.needs_images, "the node's knowledge of who looks")
    car.send_image("front", S)
    car.send_cloud(S)
    car.answered(1)
    graph.logs("camera front left out: /front/camera_info: expected a usable camera_info")
    words, stamps = "no usable camera_info on /front/camera_info", iter(range(2 * S, 500 * S, S // 10))
    figures = car.diagnosed("camera front", words, lambda: car.send_image("front", next(stamps)))
    assert figures["unplaced"] == "1"
    assert not pictures
    car.calibrate("front")
    car.send_image("front", 600 * S)
    car.send_cloud(600 * S)
    until(lambda: pictures, "an overlay")


def test_a_camera_info_that_was_latched_before_the_node_began_is_heard(car, graph, until):
    latched = graph.probe.create_publisher(CameraInfo, "/front/camera_info", LATCHED)
    latched.publish(car.camera_info("front"))
    car.start("front", calibrated=False)
    until(lambda: car._cameras.is_calibrated("front"), "the calibration")
    assert "New publisher discovered" not in graph.logged


def test_a_bag_that_loops_with_its_cameras_is_served_cloud_by_cloud(car):
    car.start("front", "rear", **{"cameras.front.required": True, "camera_max_wait_s": 5.0})
    for lap in range(3):
        for second in (10, 11, 12):
            for name in ("front", "rear"):
                car.send_image(name, second * S)
            car.send_cloud(second * S)
            car.answered(3 * lap + second - 9)
    car.counted(served=9, unpaired=0, jumps=2)
    assert (car.state("front").paired, car.state("rear").paired) == (9, 9)


def test_what_became_of_the_images_is_logged_when_the_node_stops_listening(car, graph, until):
    car.start("front")
    car.send_image("front", S)
    car.send_cloud(S)
    car.answered(1)
    assert graph.transition(NODE, "deactivate")
    graph.logs("camera front: 1 received, 1 paired, 0 missed, 0 late, 0 silent")
    assert graph.transition(NODE, "cleanup")
    assert graph.logs("camera front: 1 received").count("camera front: 1 received") == 1
    until(lambda: car.cameras["front"].get_subscription_count() == 0, "the end of the interest in the camera")


def test_of_a_cloud_larger_than_max_points_so_many_get_a_class_and_all_come_out(car, graph, fake_segmenter):
    car.start(max_points=100)
    xyz = np.random.default_rng(1).uniform(-20, 20, (250, 3)).astype(np.float32)
    for second in (1, 2):
        car.send_cloud(second * S, xyz)
        cloud = decode(car.answered(second), ("class_id", "probability"))
        np.testing.assert_array_equal(cloud.xyz_m, xyz)
        assert (cloud.extra["class_id"] != 255).sum() == 100
        assert ((cloud.extra["probability"] > 0) == (cloud.extra["class_id"] != 255)).all()
    car.counted(served=2, thinned=2)
    graph.logs("cloud of 250 points: max_points is 100")
    assert graph.logs("max_points is 100").count("max_points is 100") == 1
