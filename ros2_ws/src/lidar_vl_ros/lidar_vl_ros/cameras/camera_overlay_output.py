"""Labelled points drawn into the camera pictures, in a thread of its own and only while somebody looks."""

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from lidar_vl_core.cameras.synchronisation import Frame, FramePairer, Paired
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.figures import captioned, in_rows
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.cameras.camera_source import CameraSource
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.messages.conversion import rgb_image
from lidar_vl_ros.node.parameters import SegmentationParameters
from lidar_vl_ros.node.worker import Worker

_LOOK_PERIOD_S = 0.05
_STOP_TIMEOUT_S = 1.0
_COLUMNS = 3


@dataclass(frozen=True)
class _Labelled:
    header: Header
    cloud: PointCloud
    class_id: np.ndarray  # (N,) uint8
    classes: ClassTable  # what these ids mean: words may have changed since


class CameraOverlayOutput:
    """Pairs served clouds with pictures, draws the newest pair, and publishes one picture of all cameras."""

    def __init__(
        self,
        node: LifecycleNode,
        publisher: Any,  # noqa: ANN401  a lifecycle publisher of Image
        settings: SegmentationParameters,
        reporter: Reporter,
        steady: Clock,
    ) -> None:
        """Raises BadConfig for a camera or a transform that is given wrongly."""
        self._node, self._publisher, self._settings = node, publisher, settings
        self._reporter = reporter
        self._lock = threading.Lock()
        self._cameras = CameraSource(node, settings, reporter, self._add_image)
        self._cameras.new_pairer()  # refuses a camera that is given twice now instead of when somebody looks
        self._pairer: FramePairer | None = None
        self._worker: Worker[Frame] = Worker("camera_overlay", self._draw, partial(reporter.fault, "faults"))
        self._timer = node.create_timer(_LOOK_PERIOD_S, self._look, clock=steady)

    def add_cloud(self, header: Header, cloud: PointCloud, class_id: np.ndarray, classes: ClassTable) -> None:
        """Offer a served cloud; called from the serving thread."""
        with self._lock:
            if self._pairer is not None:
                labelled = _Labelled(header, cloud, class_id, classes)
                self._hand_over(self._pairer.add_cloud(cloud.stamp_ns, labelled, time.monotonic_ns()))

    def forget(self) -> None:
        """Begin anew after a jump of the clock."""
        with self._lock:
            if self._pairer is not None:
                self._pairer = self._cameras.new_pairer()

    def close(self) -> None:
        """Give back thread, timer and subscriptions."""
        self._node.destroy_timer(self._timer)
        self._stop()
        self._worker.stop(_STOP_TIMEOUT_S)

    def _look(self) -> None:
        watched = self._publisher.is_activated and self._publisher.get_subscription_count() > 0
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
        labelled: _Labelled = frame.cloud
        coloring = Coloring(labelled.classes.colorize(labelled.class_id))
        pictures = []
        for topic, paired in frame.images.items():
            try:
                pictures.append(self._picture(topic, paired, labelled, coloring))
            except LidarVlError as error:
                self._reporter.problem("faults", f"overlay without {topic}: {error}")
        if pictures:
            mosaic = np.asarray(in_rows(pictures, min(_COLUMNS, len(pictures))))
            self._publisher.publish(rgb_image(labelled.header, mosaic))

    def _picture(self, topic: str, paired: Paired, labelled: _Labelled, coloring: Coloring) -> Any:  # noqa: ANN401
        view = self._cameras.view(topic, paired, labelled.cloud)
        rgb = view.load_rgb()
        view.require_size(rgb)
        xyz_m, width_px = labelled.cloud.xyz_m, self._settings.overlay_width_px
        (picture,) = camera_overlay(rgb, view.camera, view.T_cam_lidar, xyz_m, [coloring], width_px)
        return captioned(picture, topic)
