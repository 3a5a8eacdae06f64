"""SweepHistory: the last sweeps of each LiDAR, kept so that each new one can be joined with them. Bounded by number and age."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.joining import EarlierSweep, joined_sweeps

_MOST_LIDARS = 8  # of which sweeps are kept

Moved = Callable[[str, int, int], RigidTransform]  # frame, its time now, its time then -> T_now_then, or BadTransform


@dataclass(frozen=True, eq=False)
class JoinedSweeps:
    """A sweep with those before it that could be brought into its frame."""

    cloud: PointCloud  # the newest sweep's points first; with "time_lag_s"
    sweeps: int  # that are in it, the newest among them
    left_out: tuple[BadTransform, ...]  # why earlier ones are not: nobody said how the sensor moved


class SweepHistory:
    """Takes sweeps in the order of their stamps, separately for each frame. One older than the last of its frame restarts it."""

    def __init__(self, sweeps: int, max_age_s: float, max_points: int) -> None:
        """sweeps: in a joined cloud, the newest among them. max_age_s: older ones are forgotten. max_points: of a joined cloud."""
        self._kept = max(sweeps - 1, 0)
        self._earlier: dict[str, deque[PointCloud]] = {}  # by frame; the one that came last is last
        self._max_age_ns, self._max_points = nanoseconds(max_age_s), max_points

    def joined(self, cloud: PointCloud, moved: Moved) -> JoinedSweeps:
        """The sweep joined with those before it; it is then added to the history.

        moved: asked for each of them. A sweep whose motion is not known is left out, never taken for one that stood still.
        """
        earlier = self._earlier_of(cloud)
        found, left_out = [], []
        for then in earlier:
            try:
                found.append(EarlierSweep(then, moved(cloud.frame_id, cloud.stamp_ns, then.stamp_ns)))
            except BadTransform as error:
                left_out.append(error)
        earlier.append(cloud)
        return JoinedSweeps(joined_sweeps(cloud, found, self._max_points), 1 + len(found), tuple(left_out))

    def _earlier_of(self, cloud: PointCloud) -> deque[PointCloud]:
        """The sweeps before it that are near enough in time."""
        earlier = self._earlier.pop(cloud.frame_id, None) or deque(maxlen=self._kept)
        if earlier and cloud.stamp_ns <= earlier[-1].stamp_ns:
            earlier.clear()
        while earlier and cloud.stamp_ns - earlier[0].stamp_ns > self._max_age_ns:
            earlier.popleft()
        self._earlier[cloud.frame_id] = earlier
        if len(self._earlier) > _MOST_LIDARS:
            del self._earlier[next(iter(self._earlier))]
        return earlier
