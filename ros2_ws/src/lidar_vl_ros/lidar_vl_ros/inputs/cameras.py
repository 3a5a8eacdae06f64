"""The cameras of the running system: images, calibrations, and where each image was taken relative to a cloud."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from lidar_vl_core.cameras.calibrations import Calibrations
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import decode_image
from lidar_vl_core.cameras.own_vehicle_mask import read_mask
from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.cameras.view import CameraView, DecodedOnce
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadTransform, LidarVlError
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.inputs.live_transforms import LiveTransforms
from lidar_vl_ros.messages.latched import AllLatchedToo, LatchedToo
from lidar_vl_ros.messages.qos import subscription_events

# Best effort is compatible with every publisher; a few, as images come between two looks of a busy executor.
_PICTURES = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)

Received = Callable[[str, int, Any], None]
LeftOut = Callable[[str, LidarVlError], None]


class Cameras:
    """Subscribes to images and calibrations between `start` and `stop`; calibrations are kept."""

    def __init__(
        self,
        node: LifecycleNode,
        parameters: Mapping[str, CameraParameters],
        transforms: LiveTransforms,
        reporter: Reporter,
    ) -> None:
        """Raises BadConfig for a mask that cannot be read."""
        self._node, self.parameters, self._transforms, self._reporter = node, parameters, transforms, reporter
        self._calibrations = {name: Calibrations(camera.is_rectified) for name, camera in parameters.items()}
        self._masks = {name: read_mask(Path(camera.mask)) for name, camera in parameters.items() if camera.mask}
        self._masked: dict[str, tuple[CameraModel, CameraModel]] = {}  # the last calibration of each, without and with
        self._subscriptions: list[Any] = []
        self.latched_calibrations = AllLatchedToo()

    def start(self, received: Received) -> None:
        """Subscribe. received: called with name, stamp in nanoseconds and message of each image."""
        for name, camera in self.parameters.items():
            kind = CompressedImage if camera.is_compressed else Image
            self._subscribe(kind, camera.topic, partial(_hand_on, received, name))
            add_info = partial(self._add_info, name)
            self._subscribe(CameraInfo, camera.calibration_topic, add_info)
            self.latched_calibrations.add(LatchedToo(self._node, CameraInfo, camera.calibration_topic, add_info))

    def stop(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.latched_calibrations.stop()

    def is_calibrated(self, name: str) -> bool:
        """Whether a usable camera_info has arrived."""
        return self._calibrations[name].at(0) is not None

    def view(self, name: str, paired: Paired, cloud: PointCloud, unusable: LeftOut, unmoved: LeftOut) -> CameraView:
        """An image and its pose relative to a cloud, not decoded yet. Raises BadCalibration or BadTransform if that is unknown.

        unmoved: called with the reason if only static transforms place it, without the motion between the stamps. unusable: called once if decoding fails or gives another size than the calibration has.
        """
        camera, frame_id = self._camera(name, paired), self._frame_of(name, paired)
        try:
            T_cam_lidar = self._transforms.T_cam_lidar(frame_id, paired.stamp_ns, cloud.frame_id, cloud.stamp_ns)
        except BadTransform as error:
            T_cam_lidar = self._unmoved(frame_id, cloud.frame_id, error)
            unmoved(name, error)
        load_rgb = DecodedOnce(partial(_load_rgb, paired.image, camera), partial(unusable, name))
        return CameraView(name, camera, _from_points(T_cam_lidar, cloud), paired.stamp_ns, load_rgb)

    def place_at(
        self, name: str, paired: Paired, cloud: PointCloud, wait_until_s: float
    ) -> tuple[CameraModel, RigidTransform]:
        """The camera of an image from another time, and its pose relative to a cloud; needs the sensor's motion in between.

        wait_until_s: on time.monotonic(), for transforms still to come. Raises BadCalibration or BadTransform.
        """
        camera, frame_id = self._camera(name, paired), self._frame_of(name, paired)
        stamped = frame_id, paired.stamp_ns, cloud.frame_id, cloud.stamp_ns
        return camera, _from_points(self._transforms.T_moved_cam_lidar(*stamped, wait_until_s), cloud)

    def is_place_to_come(self, cloud: Header, images: Mapping[str, Paired]) -> bool:
        """Whether an image cannot be placed because transforms are still to come. cloud: header of its message."""
        frame_id, stamp = cloud.frame_id, stamp_ns(cloud.stamp)
        return any(
            self._transforms.is_to_come(self._frame_of(name, paired), paired.stamp_ns, frame_id, stamp)
            for name, paired in images.items()
        )

    def _camera(self, name: str, paired: Paired) -> CameraModel:
        calibrations = self._calibrations[name]
        try:
            camera = calibrations.expected_at(paired.stamp_ns)
            calibrations.require_own_frame(self._calibrations.values())
        except BadCalibration as error:
            raise BadCalibration(f"{self.parameters[name].calibration_topic}: {error}") from error
        return self._with_mask(name, camera) if name in self._masks else camera

    def _unmoved(self, camera_frame: str, lidar_frame: str, moved: BadTransform) -> RigidTransform:
        """T_cam_lidar by static transforms alone. Raises the error of the moving transforms if there is no static chain."""
        try:
            return self._transforms.T_unmoved_cam_lidar(camera_frame, lidar_frame)
        except BadTransform:
            raise moved from None

    def _with_mask(self, name: str, camera: CameraModel) -> CameraModel:
        plain, masked = self._masked.get(name, (None, None))
        if masked is None or plain is not camera:
            masked = replace(camera, mask=self._masks[name])
            self._masked[name] = camera, masked
        return masked

    def _frame_of(self, name: str, paired: Paired) -> str:
        frame_id: str = paired.image.header.frame_id or self._calibrations[name].frame_id
        return frame_id

    def _subscribe(self, message_type: type, topic: str, received: Callable[[Any], None]) -> None:
        events = subscription_events(self._node.resolve_topic_name(topic), self._node.get_logger().warning)
        self._subscriptions.append(
            self._node.create_subscription(message_type, topic, received, _PICTURES, event_callbacks=events)
        )

    def _add_info(self, name: str, message: CameraInfo) -> None:
        try:
            self._calibrations[name].add(message)
        except BadCalibration as error:
            self._reporter.lasting_problem("faults", f"{self.parameters[name].calibration_topic}: {error}")


def _hand_on(received: Received, name: str, message: Any) -> None:  # noqa: ANN401
    received(name, stamp_ns(message.header.stamp), message)


def _from_points(T_cam_lidar: RigidTransform, cloud: PointCloud) -> RigidTransform:
    """The transform from the cloud's points, which may be relative to an origin of their own."""
    if not any(cloud.origin_m):
        return T_cam_lidar
    return T_cam_lidar @ RigidTransform(np.eye(3), np.array(cloud.origin_m))


def _load_rgb(message: Any, camera: CameraModel) -> np.ndarray:  # noqa: ANN401
    rgb = decode_image(message)
    camera.require_size(rgb)
    return rgb
