"""The boxes of a recording as the truth of a detector: those that it could find."""

import numpy as np

from lidar_vl_core.bags.recording import Recording
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.classes.box_names import box_names
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.evaluation.recorded_boxes import RecordedBoxes
from lidar_vl_core.foundation.errors import BadRequest


class TrueBoxes:
    """Boxes of a topic that hold a point of their cloud and whose centres are in a detector's range."""

    def __init__(self, recorded: RecordedBoxes, range_m: tuple[float, ...]) -> None:
        """range_m: x, y, z of the lower, then of the upper corner, from the sensor."""
        self.topic, self._recorded, self._range_m = recorded.topic, recorded, np.asarray(range_m, np.float64)
        self._clouds, self._alone, self._nearest_s = 0, 0, np.inf

    def of(self, cloud: PointCloud) -> Boxes3d | None:
        """The true boxes of one cloud in its frame; None where the topic has none of its stamp. Raises BadTransform as RecordedBoxes.of()."""
        self._clouds += 1
        boxes = self._recorded.of(cloud)
        if boxes is None:
            self._alone += 1
            self._nearest_s = min(self._nearest_s, self._recorded.seconds_from(cloud))
            return None
        from_points = boxes.boxes - np.array([*cloud.origin_m, 0, 0, 0, 0])
        inside = ((from_points[:, :3] >= self._range_m[:3]) & (from_points[:, :3] <= self._range_m[3:])).all(axis=1)
        return boxes.taken(inside & (count_points_in_boxes(cloud.measured_xyz_m(), from_points) > 0))

    @property
    def warnings(self) -> list[str]:
        """How many clouds could not be judged."""
        if not self._alone:
            return []
        return [
            f"{self._alone} of {self._clouds} clouds are not judged: {self.topic} has no boxes of their stamps, "
            f"the nearest are {self._nearest_s:.3f} s away"
        ]


def true_boxes_of(
    recording: Recording, classes: ClassTable, range_m: tuple[float, ...], topic: str | None, names: str | None
) -> TrueBoxes | None:
    """The true boxes that were requested; None when none were.

    names: whose names the classes on the topic have, those of the table where nothing is said. Raises BadRequest for names
    without a topic or a topic without boxes, BadLabels for unknown names, and what RecordedBoxes raises.
    """
    if topic is None:
        if names is None:
            return None
        raise BadRequest("truth: expected a topic of boxes, found only class names. Give the topic (--box-topic).")
    return TrueBoxes(RecordedBoxes(recording.bag, topic, box_names(names, classes)), range_m)
