"""~/output/image/overlay: labelled points drawn into the camera images, only while there is a subscriber."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from std_msgs.msg import Header

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.drawing.figures import captioned, in_rows
from lidar_vl_ros.outputs.answer import Answer
from lidar_vl_ros.outputs.camera_pictures import COLUMNS, CameraPictures

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class CameraOverlay(CameraPictures[Answer]):
    """Points in the colours of their classes, all cameras in one image."""

    topic = "~/output/image/overlay"

    def header(self, answer: Answer) -> Header:
        """The header of the answered cloud."""
        return answer.header

    def drawn(self, answer: Answer, pictures: Sequence[tuple[CameraView, np.ndarray]]) -> "Picture":
        """Draw into images (H, W, 3), in the order of the cameras."""
        answered, cells = answer.class_id != IGNORE_ID, []  # the other points would only hide the image
        xyz_m, coloring = answer.cloud.xyz_m[answered], Coloring(answer.classes.colorize(answer.class_id[answered]))
        for view, rgb in pictures:
            (cell,) = camera_overlay(rgb, view.camera, view.T_cam_lidar, xyz_m, [coloring], self.width_px)
            cells.append(captioned(cell, view.name))
        return in_rows(cells, min(COLUMNS, len(cells)))
