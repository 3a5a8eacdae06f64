"""~/output/image/overlay: labelled points drawn into the camera pictures, in a thread of its own and only while somebody looks."""

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from lidar_vl_core.cameras.camera_queue import Paired
from lidar_vl_core.cameras.frame import Frame
from lidar_vl_core.cameras.synchronisation import FramePairer
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.figures import captioned, in_rows
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.cameras.source import CameraSource
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.node.publishing import offer
from lidar_vl_ros.node.settings import SegmentationParameters
from lidar_vl_ros.node.worker import Worker
from lidar_vl_ros.outputs.answer import Answer

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TOPIC = "~/output/image/overlay"
_LOOK_PERIOD_S = 0.05
_STOP_TIMEOUT_S = 1.0
_COLUMNS = 3


class CameraOverlay:
    """Pairs answered clouds with pictures, draws the newest pair, and publishes one picture of all cameras."""

    def __init__(
        self, node: LifecycleNode, settings: SegmentationParameters, reporter: Reporter, steady: Clock
    ) -> None:
        """Raises BadConfig for a camera or a transform that is given wrongly."""
        self._node, self._settings, self._reporter = node, settings, reporter
        self._lock = threading.Lock()
        self._cameras = CameraSource(node, settings, reporter, self._add_image)
        self._cameras.new_pairer()  # refuses a camera that is given twice now instead of when somebody looks
        self._pairer: FramePairer | None = None
        self._publisher = offer(node, _TOPIC, Image)
        self._worker: Worker[Frame] = Worker("camera_overlay", self._draw, partial(reporter.fault, "faults"))
        self._timer = node.create_timer(_LOOK_PERIOD_S, self._look, clock=steady)

    def wanted(self) -> bool:
        """Whether somebody looks."""
        return self._publisher.get_subscription_count() > 0

    def publish(self, answer: Answer) -> None:
        """Let an answered cloud wait for its pictures; it is drawn and published by a thread of its own."""
        with self._lock:
            if self._pairer is not None:
                self._hand_over(self._pairer.add_cloud(answer.cloud.stamp_ns, answer, time.monotonic_ns()))

    def forget(self) -> None:
        """Begin anew after a jump of the clock."""
        with self._lock:
            if self._pairer is not None:
                self._pairer = self._cameras.new_pairer()

    def close(self) -> None:
        """Give back thread, timer, subscriptions and publisher."""
        self._node.destroy_timer(self._timer)
        self._stop()
        self._worker.stop(_STOP_TIMEOUT_S)
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _look(self) -> None:
        watched = self._publisher.is_activated and self.wanted()
        if watched and not self._cameras.listens:
            self._start()
        elif self._cameras.listens and not watched:
            self._stop()
        with self._lock:
            if self._pairer is not None:
                self._hand_over(self._pairer.poll(time.monotonic_ns()))

    def _start(self) -> None:
        self._cameras.start()
        with self._lock:
            self._pairer = self._cameras.new_pairer()

    def _stop(self) -> None:
        self._cameras.stop()
        with self._lock:
            self._pairer = None

    def _add_image(self, topic: str, stamp: int, message: Any) -> None:  # noqa: ANN401
        with self._lock:
            if self._pairer is not None:
                self._hand_over(self._pairer.add_image(topic, stamp, message, time.monotonic_ns()))

    def _hand_over(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._worker.put(frame)

    def _draw(self, frame: Frame) -> None:
        answer: Answer = frame.cloud
        coloring = Coloring(answer.classes.colorize(answer.class_id))
        pictures = []
        for topic, paired in frame.images.items():
            try:
                pictures.append(self._picture(topic, paired, answer.cloud, coloring))
            except LidarVlError as error:
                self._reporter.lasting_problem("faults", f"overlay without {topic}: {error}")
        if pictures:
            mosaic = np.asarray(in_rows(pictures, min(_COLUMNS, len(pictures))))
            self._publisher.publish(rgb_image(answer.header, mosaic))

    def _picture(self, topic: str, paired: Paired, cloud: PointCloud, coloring: Coloring) -> "Picture":
        view = self._cameras.view(topic, paired, cloud)
        rgb = view.load_rgb()
        view.require_size(rgb)
        width_px = self._settings.overlay_width_px
        (picture,) = camera_overlay(rgb, view.camera, view.T_cam_lidar, cloud.xyz_m, [coloring], width_px)
        return captioned(picture, topic)
