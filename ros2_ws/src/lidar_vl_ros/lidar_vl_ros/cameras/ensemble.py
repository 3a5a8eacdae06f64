"""Clouds that wait for their pictures, and are then named by both: the ensemble mode of the segmentation node."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.cameras.camera_queue import Paired
from lidar_vl_core.cameras.frame import Frame
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, LidarVlError
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.segmenter import PointLabels, Segmenter
from lidar_vl_ros.cameras.source import CameraSource
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.node.settings import SegmentationParameters

CAMERA_STAGES = ("image_encoder", "fusion")
_POLL_S = 0.01  # while a cloud waits

HandOver = Callable[[PointCloud2, Mapping[str, Paired]], None]


class CameraEnsemble:
    """Hands every cloud over with the pictures that came in time, each once and none left behind.

    `segment` runs in the worker, all else in the executor's thread.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: SegmentationParameters,
        segmenter: Segmenter,
        reporter: Reporter,
        steady: Clock,
        hand_over: HandOver,
    ) -> None:
        """Raises BadConfig or BadTransform for wrong cameras, BadModelPackage for a model without an image encoder."""
        if not settings.camera_topics:
            raise BadConfig("ensemble: expected camera_topics, found none. Name the image topics, or leave it off.")
        self._fusion = CameraFusion(segmenter, settings.threads or None)
        self._reporter, self._hand_over = reporter, hand_over
        self._cameras = CameraSource(node, settings, reporter, self._add_image)
        self._pairer = self._cameras.new_pairer()
        self._waiting: dict[int, PointCloud2] = {}  # by number of arrival
        self._arrived = 0
        self._node = node
        self._timer = node.create_timer(_POLL_S, self._poll, clock=steady)
        self._timer.cancel()

    def warm_up(self) -> None:
        """Prepare the first answer."""
        self._fusion.warm_up()

    def start(self) -> None:
        """Listen to the cameras."""
        self._cameras.start()

    def stop(self) -> int:
        """Listen no more; returns how many clouds waited and are forgotten."""
        self._cameras.stop()
        self._timer.cancel()
        waited, self._waiting = len(self._waiting), {}
        self._pairer = self._cameras.new_pairer()
        return waited

    def close(self) -> None:
        """Give back timer and subscriptions."""
        self.stop()
        self._node.destroy_timer(self._timer)

    def forget(self) -> None:
        """Begin anew after a jump of the clock; what waits goes without pictures."""
        self._pairer = self._cameras.new_pairer()
        for number in list(self._waiting):
            self._hand_over(self._waiting.pop(number), {})

    def add_cloud(self, message: PointCloud2) -> None:
        """Let a cloud wait for its pictures; one whose stamp cannot be paired goes at once."""
        self._arrived += 1
        number, refused_before = self._arrived, self._refused()
        self._waiting[number] = message
        self._release(self._pairer.add_cloud(stamp_ns(message.header.stamp), number, time.monotonic_ns()))
        if self._refused() != refused_before:
            self._hand_over(self._waiting.pop(number), {})
        if self._waiting:
            self._timer.reset()

    def segment(self, cloud: PointCloud, images: Mapping[str, Paired]) -> PointLabels:
        """Label a cloud by network and pictures; what cannot be used is reported, and a cloud with no picture counted."""
        views = [view for topic, paired in images.items() if (view := self._view(topic, paired, cloud)) is not None]
        left_out: list[CameraView] = []

        def leave_out(view: CameraView, error: Exception) -> None:
            left_out.append(view)
            self._left_out(view.name, error)

        labels = self._fusion.segment(cloud, views, leave_out)
        if len(left_out) == len(views):
            self._reporter.count("without_images")
        return labels

    def _view(self, topic: str, paired: Paired, cloud: PointCloud) -> CameraView | None:
        try:
            return self._cameras.view(topic, paired, cloud)
        except LidarVlError as error:
            self._left_out(topic, error)
            return None

    def _left_out(self, topic: str, error: Exception) -> None:
        self._reporter.lasting_problem("faults", f"cloud labelled without {topic}: {error}")

    def _add_image(self, topic: str, stamp: int, message: Any) -> None:  # noqa: ANN401
        self._release(self._pairer.add_image(topic, stamp, message, time.monotonic_ns()))

    def _poll(self) -> None:
        self._release(self._pairer.poll(time.monotonic_ns()))
        if not self._waiting:
            self._timer.cancel()

    def _release(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._hand_over(self._waiting.pop(frame.cloud), frame.images)

    def _refused(self) -> int:
        """Clouds that the pairer did not take: without a stamp, with one it has had, or too late."""
        counters = self._pairer.counters
        return counters.dropped + counters.duplicate + counters.late
