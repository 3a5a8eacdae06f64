"""Sweeps joined to one cloud in the frame of the newest, each point with the time passed since it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import thinned
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.stamps import NS_PER_S
from lidar_vl_core.geometry.rigid_transform import RigidTransform

TIME_LAG = "time_lag_s"  # field of joined clouds: (N,) float32 seconds before the stamp, 0 in the newest sweep
OWN_CAR_M = 1.0  # points of earlier sweeps this near along x and y are of the own car, as OpenPCDet has it


@dataclass(frozen=True, eq=False)
class EarlierSweep:
    """A sweep and how the sensor has moved since."""

    cloud: PointCloud
    T_now_then: RigidTransform  # from the cloud's frame at its own stamp to that frame at the newest sweep's stamp


def joined_sweeps(newest: PointCloud, earlier: Sequence[EarlierSweep], max_points: int) -> PointCloud:
    """The newest sweep, all its points first and as they came, and after it the points of earlier ones, latest first.

    Points of earlier sweeps without a return and those on the own car are left out. At most max_points come out, or the
    newest sweep where that has more: an earlier sweep that does not fit is thinned evenly, those after it are left out.
    The field "time_lag_s" is added; other fields stay where all sweeps have them. Raises BadPointCloud for sweeps of
    another frame, or not before the newest.
    """
    parts, lag_s = [newest], [np.zeros(len(newest), np.float32)]
    room = max_points - len(newest)
    for sweep in sorted(earlier, key=lambda each: -each.cloud.stamp_ns):
        _require_before(sweep.cloud, newest)
        if room <= 0:
            break
        part = thinned(_moved(sweep, newest), room).cloud
        room -= len(part)
        parts.append(part)
        lag_s.append(np.full(len(part), (newest.stamp_ns - sweep.cloud.stamp_ns) / NS_PER_S, np.float32))
    if len(parts) == 1:
        return replace(newest, extra={**newest.extra, TIME_LAG: lag_s[0]})
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in _fields_of_all(parts)}
    return replace(
        newest,
        xyz_m=np.concatenate([part.xyz_m for part in parts]),
        intensity=np.concatenate([part.intensity for part in parts]),
        extra=extra | {TIME_LAG: np.concatenate(lag_s)},
    )


def _moved(sweep: EarlierSweep, newest: PointCloud) -> PointCloud:
    """What the sweep saw of the world, where it lies in the newest sweep's frame and from its origin."""
    then = sweep.cloud
    x_m, y_m = (then.xyz_m[:, axis] + np.float32(then.origin_m[axis]) for axis in (0, 1))
    on_own_car = (np.abs(x_m) < OWN_CAR_M) & (np.abs(y_m) < OWN_CAR_M)
    kept = np.flatnonzero(
        then.has_return() & ~on_own_car
    )  # a point without a return lies at 0, 0, 0: moved, it would be one
    extra = {name: column[kept] for name, column in then.extra.items()}
    xyz_m = _T_of_origins(sweep, newest).apply(then.xyz_m[kept])
    return replace(then, xyz_m=xyz_m, intensity=then.intensity[kept], extra=extra)


def _T_of_origins(sweep: EarlierSweep, newest: PointCloud) -> RigidTransform:
    """From the sweep's points to the newest's, both told from origins of their own."""
    if not any((*sweep.cloud.origin_m, *newest.origin_m)):
        return sweep.T_now_then
    return _shift(newest.origin_m, -1.0) @ sweep.T_now_then @ _shift(sweep.cloud.origin_m, 1.0)


def _shift(origin_m: tuple[float, float, float], sign: float) -> RigidTransform:
    return RigidTransform(np.eye(3), sign * np.array(origin_m))


def _fields_of_all(parts: Sequence[PointCloud]) -> list[str]:
    first, *rest = parts
    return [
        name
        for name, column in first.extra.items()
        if name != TIME_LAG
        and all(
            name in part.extra
            and part.extra[name].dtype == column.dtype
            and part.extra[name].shape[1:] == column.shape[1:]
            for part in rest
        )
    ]


def _require_before(then: PointCloud, newest: PointCloud) -> None:
    if then.frame_id != newest.frame_id or then.stamp_ns >= newest.stamp_ns:
        raise BadPointCloud(
            f"sweeps: expected earlier ones of frame {newest.frame_id!r} before {newest.stamp_ns} ns, found one of "
            f"{then.frame_id!r} at {then.stamp_ns} ns. Join sweeps of one sensor, the newest last."
        )
