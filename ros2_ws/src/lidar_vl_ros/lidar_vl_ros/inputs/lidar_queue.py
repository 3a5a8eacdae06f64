"""The last clouds of a LiDAR by stamp, and whether one that fits better is still to come. No ROS here."""

from bisect import bisect_left
from itertools import pairwise
from typing import Any, NamedTuple

from lidar_vl_core.foundation.stamps import JUMP_NS

_KEPT = 20  # clouds: a second at 20 Hz, and no more memory than that
_FEWEST_INTERVALS = 3  # fewer tell no period


class Stamped(NamedTuple):
    """A cloud in the queue."""

    stamp_ns: int
    cloud: Any


class LidarQueue:
    """Clouds of one LiDAR, in the order of their stamps, also where two drivers share its topic or one came late.

    A stamp more than a second before the newest means that its clock was set back: the queue starts over.
    """

    def __init__(self, tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        self._clouds: list[Stamped] = []

    def add(self, stamp_ns: int, cloud: Any) -> None:  # noqa: ANN401  payloads are opaque
        """Add a cloud, in place of one of the same stamp; one without a stamp is of no use. The oldest is dropped if there are too many."""
        if stamp_ns <= 0:
            return
        if self._clouds and stamp_ns < self._clouds[-1].stamp_ns - JUMP_NS:
            self._clouds.clear()
        at = bisect_left(self._clouds, stamp_ns, key=lambda kept: kept.stamp_ns)
        is_repeated = at < len(self._clouds) and self._clouds[at].stamp_ns == stamp_ns
        self._clouds[at : at + is_repeated] = [Stamped(stamp_ns, cloud)]
        del self._clouds[:-_KEPT]

    def nearest(self, stamp_ns: int) -> Stamped | None:
        """The cloud nearest in time within the tolerance, the earlier one of two; None if there is none."""
        found = min(self._clouds, key=lambda kept: abs(kept.stamp_ns - stamp_ns), default=None)
        return None if found is None or abs(found.stamp_ns - stamp_ns) > self._tolerance_ns else found

    def nearer_is_to_come(self, stamp_ns: int) -> bool:
        """Whether the next cloud, by the LiDAR's period, will be nearer to a time than those in the queue."""
        if not self._clouds:
            return False  # silent: nobody knows whether it ever speaks
        since_newest_ns = stamp_ns - self._clouds[-1].stamp_ns
        if since_newest_ns <= 0:
            return False
        intervals_ns = [after.stamp_ns - before.stamp_ns for before, after in pairwise(self._clouds)]
        if len(intervals_ns) < _FEWEST_INTERVALS:
            return since_newest_ns <= self._tolerance_ns
        period_ns = min(intervals_ns[-8:])  # a lost cloud makes the others longer
        misses_ns = abs(since_newest_ns - period_ns)
        # Half as late as it may be: a LiDAR that is silent for longer than that is not waited for.
        return since_newest_ns < 1.5 * period_ns and misses_ns < min(since_newest_ns, self._tolerance_ns)
