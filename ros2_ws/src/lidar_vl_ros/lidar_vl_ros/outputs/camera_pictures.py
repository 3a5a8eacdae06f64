"""Camera images with something drawn into them, as one image on a topic, in a thread of its own and only while there is a subscriber."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import CloudViews
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.node.publishing import offer, publish
from lidar_vl_ros.node.worker import Worker

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

COLUMNS = 3  # images side by side
_STOP_TIMEOUT_S = 1.0


class _WithViews(Protocol):
    @property
    def views(self) -> CloudViews:
        """Images that belong to the cloud."""
        ...


AnswerT = TypeVar("AnswerT", bound=_WithViews)


class CameraPictures(ABC, Generic[AnswerT]):
    """Draws the newest answer that has images; a subclass names the topic and draws."""

    topic: ClassVar[str]

    def __init__(self, node: LifecycleNode, width_px: int, reporter: Reporter) -> None:
        """width_px: of the image of one camera."""
        self._node, self.width_px = node, width_px
        self._publisher = offer(node, self.topic, Image)
        self._worker: Worker[AnswerT] = Worker(type(self).__name__, self._draw, partial(reporter.fault, "faults"))

    @abstractmethod
    def header(self, answer: AnswerT) -> Header:
        """The header of the answered cloud."""

    @abstractmethod
    def drawn(self, answer: AnswerT, pictures: Sequence[tuple[CameraView, np.ndarray]]) -> "Picture":
        """Draw one image from those of at least one camera, (H, W, 3) uint8 each."""

    def wanted(self) -> bool:
        """Whether the topic has a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def needs_images(self) -> bool:
        """Whether the topic has a subscriber."""
        return self.wanted()

    def publish(self, answer: AnswerT) -> None:
        """Hand an answer to the thread that draws and publishes."""
        if self.wanted():
            self._worker.put(answer)

    def close(self) -> None:
        """Stop the thread and destroy the publisher."""
        self._worker.stop(_STOP_TIMEOUT_S)
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _draw(self, answer: AnswerT) -> None:
        loaded = [(view, _rgb(view)) for view in answer.views()]
        if pictures := [(view, rgb) for view, rgb in loaded if rgb is not None]:
            drawn = np.asarray(self.drawn(answer, pictures))
            publish(self._node, self._publisher, rgb_image(self.header(answer), drawn))


def _rgb(view: CameraView) -> np.ndarray | None:
    try:
        return view.load_rgb()
    except LidarVlError:  # reported where it was decoded
        return None
