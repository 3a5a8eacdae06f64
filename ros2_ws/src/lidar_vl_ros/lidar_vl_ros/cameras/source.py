"""The cameras of the running system: pictures, calibrations, and where each picture was taken from, seen from a cloud."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lidar_vl_core.cameras.calibrations import Calibrations
from lidar_vl_core.cameras.camera_queue import CameraTiming, Paired
from lidar_vl_core.cameras.image import decode_image
from lidar_vl_core.cameras.synchronisation import FramePairer
from lidar_vl_core.cameras.topic_names import UNREAD_TRANSPORTS, image_base, is_rectified, transport_of
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadConfig
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_ros.cameras.live_transforms import LiveTransforms
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.node.settings import SegmentationParameters

_PICTURES = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraSource:
    """Listens to pictures, calibrations and transforms between `start` and `stop`; what is learnt of both is kept."""

    def __init__(
        self,
        node: LifecycleNode,
        settings: SegmentationParameters,
        reporter: Reporter,
        received: Callable[[str, int, Any], None],
    ) -> None:
        """received: called with topic, stamp in nanoseconds and message of each picture. Raises BadConfig or BadTransform."""
        self._node, self._settings, self._reporter, self._received = node, settings, reporter, received
        _require_readable(settings.camera_topics)
        self._calibrations = {topic: Calibrations(is_rectified(topic)) for topic in settings.camera_topics}
        self._transforms = LiveTransforms(node, settings.static_transforms)
        self._subscriptions: list[Any] = []

    @property
    def listens(self) -> bool:
        """Whether it was started."""
        return bool(self._subscriptions)

    def new_pairer(self) -> FramePairer:
        """A pairer of clouds with the pictures of these cameras. Raises BadConfig for a camera that is given twice."""
        difference_s = self._settings.camera_max_time_difference_s
        cameras = [CameraTiming(topic, max_time_difference_s=difference_s) for topic in self._settings.camera_topics]
        return FramePairer(cameras, max_wait_s=self._settings.camera_max_wait_s)

    def start(self) -> None:
        """Subscribe."""
        for topic in self._settings.camera_topics:
            kind = CompressedImage if transport_of(topic) else Image
            image, info = partial(self._add_image, topic), partial(self._add_info, topic)
            self._subscriptions += [
                self._node.create_subscription(kind, topic, image, _PICTURES),
                self._node.create_subscription(CameraInfo, camera_info_topic(topic), info, _PICTURES),
            ]
        self._transforms.listen()

    def stop(self) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._transforms.stop()

    def view(self, topic: str, paired: Paired, cloud: PointCloud) -> CameraView:
        """A picture as it belongs to a cloud. Raises BadCalibration or BadTransform where that is not known."""
        calibrations = self._calibrations[topic]
        try:
            camera = calibrations.expected_at(paired.stamp_ns)
            calibrations.require_own_frame(self._calibrations.values())
        except BadCalibration as error:
            raise BadCalibration(f"{camera_info_topic(topic)}: {error}") from error
        frame_id = paired.image.header.frame_id or calibrations.frame_id
        T_cam_lidar = self._transforms.T_cam_lidar(frame_id, paired.stamp_ns, cloud.frame_id, cloud.stamp_ns)
        if any(cloud.origin_m):
            T_cam_lidar = T_cam_lidar @ RigidTransform(np.eye(3), np.array(cloud.origin_m))
        return CameraView(topic, camera, T_cam_lidar, paired.stamp_ns, partial(_load_rgb, paired.image))

    def _add_image(self, topic: str, message: Any) -> None:  # noqa: ANN401
        self._received(topic, stamp_ns(message.header.stamp), message)

    def _add_info(self, topic: str, message: CameraInfo) -> None:
        try:
            self._calibrations[topic].add(message)
        except BadCalibration as error:
            self._reporter.lasting_problem("faults", f"{camera_info_topic(topic)}: {error}")


def camera_info_topic(image_topic: str) -> str:
    """The camera_info beside an image: /front/image/compressed and /front/image -> /front/camera_info."""
    return image_base(image_topic).rpartition("/")[0] + "/camera_info"


def _require_readable(topics: Sequence[str]) -> None:
    for topic in topics:
        if transport_of(topic) in UNREAD_TRANSPORTS:
            base = image_base(topic)
            raise BadConfig(
                f"parameter camera_topics: expected raw or compressed images, found {topic}. Name {base} or {base}/compressed."
            )


def _load_rgb(message: Any) -> np.ndarray:  # noqa: ANN401
    return decode_image(message)
