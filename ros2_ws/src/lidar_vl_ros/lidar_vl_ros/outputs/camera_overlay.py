"""~/output/image/overlay: labelled points drawn into the camera pictures, in a thread of its own and only while somebody looks."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.figures import captioned, in_rows
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.node.publishing import offer, publish
from lidar_vl_ros.node.worker import Worker
from lidar_vl_ros.outputs.answer import Answer

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TOPIC = "~/output/image/overlay"
_STOP_TIMEOUT_S = 1.0
_COLUMNS = 3


class CameraOverlay:
    """Draws the newest answered cloud that has pictures, and publishes one picture of all cameras."""

    def __init__(self, node: LifecycleNode, width_px: int, reporter: Reporter) -> None:
        """width_px: of the picture of one camera."""
        self._node, self._width_px = node, width_px
        self._publisher = offer(node, _TOPIC, Image)
        self._worker: Worker[Answer] = Worker("camera_overlay", self._draw, partial(reporter.fault, "faults"))

    def wanted(self) -> bool:
        """Whether somebody looks."""
        return self._publisher.get_subscription_count() > 0

    def needs_images(self) -> bool:
        """Whether somebody looks."""
        return self.wanted()

    def publish(self, answer: Answer) -> None:
        """Hand an answered cloud to the thread that draws and publishes."""
        if self.wanted():
            self._worker.put(answer)

    def close(self) -> None:
        """Give back thread and publisher."""
        self._worker.stop(_STOP_TIMEOUT_S)
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _draw(self, answer: Answer) -> None:
        coloring = Coloring(answer.classes.colorize(answer.class_id))
        drawn = [self._picture(view, answer.cloud.xyz_m, coloring) for view in answer.views()]
        if pictures := [picture for picture in drawn if picture is not None]:
            mosaic = np.asarray(in_rows(pictures, min(_COLUMNS, len(pictures))))
            publish(self._node, self._publisher, rgb_image(answer.header, mosaic))

    def _picture(self, view: CameraView, xyz_m: np.ndarray, coloring: Coloring) -> "Picture | None":
        try:
            rgb = view.load_rgb()
        except LidarVlError:  # told where it was decoded
            return None
        (picture,) = camera_overlay(rgb, view.camera, view.T_cam_lidar, xyz_m, [coloring], self._width_px)
        return captioned(picture, view.name)
