"""The objects found in one cloud, in the cloud's frame: the input of all box messages."""

from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.majority import BoxMajority
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable


@dataclass(frozen=True, eq=False)
class SecondOpinion:
    """Another source's class for each box."""

    source: str  # "segmentation" or "images"
    classes: ClassTable  # of class_id: often another table than that of the boxes
    majority: BoxMajority

    def name_of(self, row: int) -> str | None:
        """The class of a box, None if this source has none for it."""
        class_id = int(self.majority.class_id[row])
        return None if class_id == IGNORE_ID else self.classes.names[class_id]


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Boxes of one cloud, best first, all finite and with a valid size and class."""

    header: Header  # of the cloud
    boxes: Boxes3d  # M boxes, relative to origin_m like the cloud's points
    classes: ClassTable  # of the boxes
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the cloud's points, in the frame
    opinions: tuple[SecondOpinion, ...] = ()

    def center_m(self) -> np.ndarray:
        """(M, 3) float64 centres in the frame of the header."""
        return self.boxes.boxes[:, :3] + np.array(self.origin_m)

    def name_of(self, row: int) -> str:
        """The class of a box."""
        return self.classes.names[int(self.boxes.class_id[row])]

    def speed_mps(self) -> np.ndarray:
        """(M,) speed over ground; NaN if unknown."""
        return np.hypot(self.boxes.velocity_mps[:, 0], self.boxes.velocity_mps[:, 1])
