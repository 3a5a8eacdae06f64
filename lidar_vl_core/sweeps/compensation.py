"""Compensation of the sensor's own motion during a sweep: every point is moved to where it would be if measured at the stamp."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lidar_vl_core.clouds.cloud_decoder import POINT_TIME
from lidar_vl_core.clouds.formats.fields import TIME_NAMES
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadPointCloud, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.point_times import ScaleOfMost, offsets_ns

# Between two poses so far apart the way is taken for straight. A turn of a within it bends that way by (1 - cos(a / 2)) of the
# range: at 100 m 0.3 mm for a car that turns with 30 degrees a second, 10 cm at 500.
_KNOT_NS = 10_000_000
_MOST_FRAMES = 16

Moved = Callable[[str, int, int], RigidTransform]  # frame, its time now, its time then -> T_now_then, or BadTransform


@dataclass(frozen=True, eq=False)
class CompensatedSweep:
    """A sweep without the times of its points."""

    cloud: PointCloud
    problem: (
        BadPointCloud | BadTransform | None
    )  # why its points are where they came; None: they are where the stamp has them


class SweepCompensation:
    """Brings the points of one topic's sweeps to their stamps; unit and origin of the times are those of most sweeps of a frame."""

    def __init__(self) -> None:
        self._scales: dict[str, ScaleOfMost] = {}  # by frame, as drivers write times in ways of their own

    def compensated(self, cloud: PointCloud, moved: Moved) -> CompensatedSweep:
        """The sweep in its frame at its stamp; points without a return stay as they are.

        moved: asked for the motion since the times of the points. Where it is not told, or the times mean nothing, the sweep
        stays as it came, with the reason: it is never taken for one of a sensor that stood still.
        """
        without = replace(cloud, extra={name: column for name, column in cloud.extra.items() if name != POINT_TIME})
        try:
            return CompensatedSweep(replace(without, xyz_m=self._at_stamp(cloud, moved)), None)
        except (BadPointCloud, BadTransform) as error:
            return CompensatedSweep(without, error)

    def _at_stamp(self, cloud: PointCloud, moved: Moved) -> np.ndarray:
        if POINT_TIME not in cloud.extra:
            raise BadPointCloud(
                f"time of each point: expected a field of one of the names {', '.join(TIME_NAMES)}, found none. "
                "Make the driver write it, or turn motion compensation off."
            )
        rows = np.flatnonzero(cloud.has_return())
        if not len(rows):
            return cloud.xyz_m
        times, stamp_ns, frame = cloud.extra[POINT_TIME][rows], cloud.stamp_ns, cloud.frame_id
        if frame not in self._scales and len(self._scales) >= _MOST_FRAMES:
            self._scales.clear()
        scale = self._scales.setdefault(frame, ScaleOfMost()).after(times, stamp_ns)
        offset_ns, origin_m = offsets_ns(times, scale, stamp_ns), np.array(cloud.origin_m)
        seen_m = cloud.xyz_m[rows] + origin_m if origin_m.any() else cloud.xyz_m[rows]
        at_stamp_m = points_at_stamp(seen_m, offset_ns, lambda offset: moved(frame, stamp_ns, stamp_ns + offset))
        xyz_m = cloud.xyz_m.copy()
        xyz_m[rows] = at_stamp_m - origin_m if origin_m.any() else at_stamp_m
        return xyz_m


def points_at_stamp(
    xyz_m: np.ndarray, offset_ns: np.ndarray, T_stamp_then: Callable[[int], RigidTransform]
) -> np.ndarray:
    """Points (N, 3), each in the sensor's frame at its own time, in the frame at the stamp; the type stays.

    offset_ns: (N,) int64 from the stamp to each point. T_stamp_then: the motion, by offset from the stamp; asked for every
    10 ms from the first point to the last, between which poses are blended linearly.
    """
    if not len(xyz_m):
        return xyz_m
    first_ns, last_ns = int(offset_ns.min()), int(offset_ns.max())
    knots_ns = np.unique(
        np.linspace(first_ns, last_ns, 1 + -(-(last_ns - first_ns) // _KNOT_NS)).round().astype(np.int64)
    )
    poses = [T_stamp_then(int(knot_ns)) for knot_ns in knots_ns]
    if len(poses) == 1:
        return poses[0].apply(xyz_m)
    knot = np.clip(np.searchsorted(knots_ns, offset_ns, side="right") - 1, 0, len(knots_ns) - 2)
    order = np.argsort(knot.astype(np.int16), kind="stable")  # radix: a sweep has few knots and many points
    bounds = np.searchsorted(knot[order], np.arange(len(knots_ns)))
    moved_m = np.empty_like(xyz_m)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        rows, (before, after) = order[start:stop], poses[number : number + 2]
        share = (offset_ns[rows] - knots_ns[number]) / (knots_ns[number + 1] - knots_ns[number])
        seen_m = xyz_m[rows].astype(np.float64)
        change_m = seen_m @ (after.rotation - before.rotation).T + (after.translation_m - before.translation_m)
        moved_m[rows] = before.apply(seen_m) + share[:, None] * change_m
    return moved_m
