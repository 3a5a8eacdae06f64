"""When a black box records on its own: signs that the networks are unsure, each with its limit."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.black_box.flicker import FlickerMeter
from lidar_vl_core.black_box.novelty import Novelty, statistics_of
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud


@dataclass(frozen=True)
class TriggerLimits:
    """Limits of the signs; 0 turns a sign off."""

    min_probability: float = 0.0  # mean of the points with an answer
    max_disagreement: float = 0.0  # share of the points that network and images both name, differently
    max_novelty: float = 0.0  # standard deviations from what was usual
    max_flicker: float = 0.0  # share of the boxes
    clouds_in_a_row: int = 3  # that a sign must last


@dataclass(frozen=True, eq=False)
class PointAnswer:
    """What segmentation said about a cloud's points."""

    class_id: np.ndarray  # (N,) uint8, 255 = no answer
    probability: np.ndarray  # (N,) float32
    classes: int  # in the table
    disagreement: float | None  # with the images; None: not asked


@dataclass(frozen=True)
class Alarm:
    """Why a recording is to be made."""

    reason: str  # low_confidence, disagreement, new_statistics or flicker
    text: str


class Triggers:
    """Checks each answered cloud in turn. A sign raises its next alarm only after it has gone away."""

    def __init__(self, limits: TriggerLimits) -> None:
        self._limits = limits
        self._flicker, self._novelty = FlickerMeter(), Novelty()
        self._lasted: dict[str, int] = {}  # clouds in a row that show a sign; below 0: that do not, after an alarm

    def look(self, cloud: PointCloud, points: PointAnswer | None, boxes: Boxes3d | None) -> Alarm | None:
        """The reason to record, if there is one; of several signs the first in the order of the limits."""
        signs = [*(self._signs_of_points(cloud, points) if points is not None else ())]
        if boxes is not None and self._limits.max_flicker:
            share = self._flicker.share(boxes, cloud.stamp_ns)
            signs.append(_above("flicker", "share of boxes that flicker", share, self._limits.max_flicker))
        raised = [Alarm(name, text) for name, is_shown, text in signs if self._has_lasted(name, is_shown)]
        return raised[0] if raised else None

    def _signs_of_points(self, cloud: PointCloud, points: PointAnswer) -> list[tuple[str, bool, str]]:
        limits, signs = self._limits, []
        if limits.max_disagreement:
            told = "share of points that network and images name differently"
            signs.append(_above("disagreement", told, points.disagreement, limits.max_disagreement))
        if limits.min_probability:
            answered = points.probability[points.class_id != IGNORE_ID]
            mean = float(answered.mean()) if len(answered) else None
            is_low = mean is not None and mean < limits.min_probability
            signs.append(
                ("low_confidence", is_low, f"mean probability {mean or 0.0:.2f}, below {limits.min_probability:g}")
            )
        if limits.max_novelty:
            deviations = self._novelty.deviations(statistics_of(cloud, points.class_id, points.classes))
            told = "standard deviations from what was usual"
            signs.append(_above("new_statistics", told, deviations, limits.max_novelty))
        return signs

    def _has_lasted(self, name: str, is_shown: bool) -> bool:
        """Whether a sign has just lasted long enough."""
        lasted, needed = self._lasted.get(name, 0), self._limits.clouds_in_a_row
        if lasted < 0:  # after an alarm: as many clouds without the sign
            self._lasted[name] = -needed if is_shown else lasted + 1
            return False
        self._lasted[name] = lasted + 1 if is_shown else 0
        if self._lasted[name] < needed:
            return False
        self._lasted[name] = -needed
        return True


def _above(name: str, told: str, value: float | None, limit: float) -> tuple[str, bool, str]:
    """A sign that is shown above a limit; a value that is not known shows nothing."""
    return name, value is not None and value > limit, f"{told}: {value or 0.0:.2f}, above {limit:g}"
