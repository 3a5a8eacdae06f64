"""A robot with a LiDAR and one camera that looks ahead, for tests of what a node does with both."""

from collections.abc import Callable

import numpy as np
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.geometry.rigid_transform import RigidTransform

NODE, CAMERA = "segmentation_node", "/camera/front/image"
FRONT = "lidar front_optical 0 0 0 -0.5 0.5 -0.5 0.5"  # z forward, x right, y down, at the LiDAR's place
WIDTH, HEIGHT = 128, 96
K = np.array([[80.0, 0, 63.5], [0, 80.0, 47.5], [0, 0, 1]])
RGB = np.random.default_rng(6).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
XYZ_M = np.random.default_rng(4).uniform((-20, -20, -2), (60, 20, 2), (800, 3)).astype(np.float32)


class CameraRobot:
    """Publishers in the place of the sensors, and a listener; a test starts `node`."""

    def __init__(self, graph, until: Callable) -> None:
        self._until = until
        self.answers: list[PointCloud2] = []
        graph.subscribe(PointCloud2, f"/{NODE}/output/pointcloud/segmentation", self.answers.append, 50)
        self.clouds = graph.probe.create_publisher(PointCloud2, f"/{NODE}/input/pointcloud", 10)
        self.info = graph.probe.create_publisher(CameraInfo, "/camera/front/camera_info", 10)
        self.camera = graph.probe.create_publisher(Image, CAMERA, 10)

    def heard_by_the_node(self, *publishers: Publisher) -> None:
        """Wait until the node and the listener know of each other."""
        for publisher in publishers:
            self._until(lambda publisher=publisher: publisher.get_subscription_count() == 1, "the node")
        self._until(self.node.outputs.wanted, "the listener")

    def send_calibration(self) -> None:
        size = {"width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob", "d": [0.0] * 5}
        message = CameraInfo(header=Header(frame_id="front_optical"), k=K.ravel().tolist(), **size)
        known = self.node._front_end._cameras._calibrations["front"]
        self._until(lambda: self.info.publish(message) or known.at(1) is not None, "the calibration")

    def send_picture(self, stamp_ns: int, rgb: np.ndarray = RGB) -> None:
        self.camera.publish(rgb_image(Header(stamp=time_message(stamp_ns), frame_id="front_optical"), rgb))

    def answered(self, count: int) -> np.ndarray:
        """Classes of the last answer, once there are so many."""
        self._until(lambda: len(self.answers) == count, f"{count} answers")
        return decode(self.answers[-1], ("class_id",)).extra["class_id"]

    def counted(self, **expected: int) -> None:
        def counts():
            return {name: self.node.health.counts()[name] for name in expected}

        self._until(lambda: counts() == expected, f"{expected}, last {counts()}")


def front_view(ahead_m: float = 0.0) -> CameraView:
    """RGB as the core takes it; ahead_m: how far the LiDAR has driven since."""
    to_optical = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    T_cam_lidar = RigidTransform(to_optical, to_optical @ [ahead_m, 0, 0])
    return CameraView(CAMERA, CameraModel(WIDTH, HEIGHT, K), T_cam_lidar, 0, lambda: RGB)


def cloud_of(xyz_m: np.ndarray = XYZ_M) -> PointCloud:
    """The cloud that make_cloud() sends, as the core takes it."""
    return PointCloud(xyz_m, np.full(len(xyz_m), 0.25, np.float32), 1, "lidar")
