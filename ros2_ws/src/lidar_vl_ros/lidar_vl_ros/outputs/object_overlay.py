"""~/output/image/objects: boxes drawn into the camera images, only while there is a subscriber."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from std_msgs.msg import Header

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.drawing.box_figures import boxes_in_cameras_figure
from lidar_vl_ros.outputs.answer import ObjectAnswer
from lidar_vl_ros.outputs.camera_pictures import COLUMNS, CameraPictures

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class ObjectOverlay(CameraPictures[ObjectAnswer]):
    """Edges of boxes in the colours of their classes, all cameras in one image."""

    topic = "~/output/image/objects"

    def header(self, answer: ObjectAnswer) -> Header:
        """The header of the answered cloud."""
        return answer.found.header

    def drawn(self, answer: ObjectAnswer, pictures: Sequence[tuple[CameraView, np.ndarray]]) -> "Picture":
        """Draw into images (H, W, 3), the forward cameras first."""
        found = answer.found
        return boxes_in_cameras_figure(pictures, found.boxes, None, found.classes, self.width_px, COLUMNS)
