"""How much boxes flicker: objects that vanish for one cloud and come back, or that appear in one cloud only."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d

_SPEED_MPS = 30.0  # of things against the sensor: what a box may have moved between two clouds
_SLACK_M = 1.0  # of a box's place
_LONGEST_S = 0.5  # between two clouds; after a longer pause boxes are not compared
_FEWEST = 3  # boxes that a share is told of


@dataclass(frozen=True)
class _Told:
    stamp_ns: int
    boxes: Boxes3d


class FlickerMeter:
    """Looks at three clouds in a row."""

    def __init__(self) -> None:
        self._last: list[_Told] = []

    def share(self, boxes: Boxes3d, stamp_ns: int) -> float | None:
        """The share of flickering boxes in the second newest cloud, of all that were or should have been there.

        boxes: told of the newest cloud. None where three clouds in a row, or enough boxes, are not known yet.
        """
        if self._last and not 0 < stamp_ns - self._last[-1].stamp_ns <= _LONGEST_S * 1e9:
            self._last = []
        self._last = [*self._last[-2:], _Told(stamp_ns, boxes)]
        if len(self._last) < 3:
            return None
        before, middle, newest = self._last
        came_and_went = ~_has_partner(middle, before) & ~_has_partner(middle, newest)
        lacking = _has_partner(before, newest) & ~_has_partner(before, middle)
        all_of_them = len(middle.boxes) + int(lacking.sum())
        return float(came_and_went.sum() + lacking.sum()) / all_of_them if all_of_them >= _FEWEST else None


def _has_partner(of: _Told, among: _Told) -> np.ndarray:
    """(N,) bool for each box: whether a box of its class lies where it may have moved to, seen from above."""
    if not len(of.boxes) or not len(among.boxes):
        return np.zeros(len(of.boxes), bool)
    reach_m = _SLACK_M + _SPEED_MPS * abs(of.stamp_ns - among.stamp_ns) / 1e9
    apart_m = of.boxes.boxes[:, None, :2] - among.boxes.boxes[None, :, :2]
    near = np.hypot(apart_m[..., 0], apart_m[..., 1]) <= reach_m
    same = of.boxes.class_id[:, None] == among.boxes.class_id[None, :]
    return np.asarray((near & same).any(axis=1))
