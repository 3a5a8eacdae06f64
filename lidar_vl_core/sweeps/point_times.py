"""When each point of a sweep was measured: the unit of the driver's times, and their origin."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.stamps import NS_PER_S

_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
# A sweep lasts from 5 ms (200 Hz) to 1 s. The window is narrower than the factor between units, so at most one unit fits.
_SHORTEST_NS, _LONGEST_NS = 5e6, 1e9
_GRAIN_NS = 1000  # float32 seconds hold no more: -0.1 would lie before a pose that is told for that very time
_FURTHEST_NS = 1.5e9  # of a point's time from the stamp of its sweep


@dataclass(frozen=True)
class TimeScale:
    """Unit and origin of one driver's point times."""

    unit: str  # "s", "ms", "us" or "ns"
    is_absolute: bool  # since the epoch; else since the stamp of the sweep, negative before it

    def __str__(self) -> str:
        return f"{self.unit} since {'the epoch' if self.is_absolute else 'the stamp of the sweep'}"


def time_scale(times: np.ndarray, stamp_ns: int) -> TimeScale:
    """Determine unit and origin of the times (N,) of points with a return, from the duration of a sweep.

    Raises BadPointCloud where no unit, or more than one origin, makes a sweep of them.
    """
    values = times[np.isfinite(times)].astype(np.float64)
    if not len(values):
        raise _no_sweep("no number")
    low, high = float(values.min()), float(values.max())
    fitting = [
        TimeScale(unit, is_absolute)
        for unit, unit_ns in _UNITS_NS.items()
        if _SHORTEST_NS <= (high - low) * unit_ns <= _LONGEST_NS
        for is_absolute, from_ns in ((False, 0), (True, stamp_ns))
        if max(abs(low * unit_ns - from_ns), abs(high * unit_ns - from_ns)) <= _FURTHEST_NS
    ]
    told = f"values from {low:.9g} to {high:.9g} at the stamp {stamp_ns / NS_PER_S:.9f} s"
    if len(fitting) > 1 and stamp_ns:  # a simulation that just began: both origins lie near each other
        raise _no_sweep(f"{told}, which may be either")
    if not fitting:
        raise _no_sweep(told)
    return fitting[0]


def _no_sweep(found: str) -> BadPointCloud:
    return BadPointCloud(
        "time of each point: expected values that span 5 ms to 1 s in s, ms, us or ns, near the stamp or counted from it, "
        f"found {found}. Fix the driver, or turn motion compensation off."
    )


def offsets_ns(times: np.ndarray, scale: TimeScale, stamp_ns: int) -> np.ndarray:
    """(N,) int64 nanoseconds from the stamp to each point, to the microsecond.

    times: (N,) of the driver's type. Raises BadPointCloud where one is no number, or farther from the stamp than a sweep lasts.
    """
    unit_ns = _UNITS_NS[scale.unit]
    if (
        scale.is_absolute
    ):  # from the stamp first, in the field's own unit: nanoseconds since 1970 would lose their last bits
        offset_ns = (times.astype(np.float64) - stamp_ns / unit_ns) * unit_ns
    else:
        offset_ns = times.astype(np.float64) * unit_ns
    furthest_ns = float(np.abs(offset_ns).max(initial=0.0))
    if not furthest_ns <= _FURTHEST_NS:  # also true for NaN
        raise BadPointCloud(
            f"time of each point: expected at most {_FURTHEST_NS / 1e9} s from the stamp as {scale}, found "
            f"{furthest_ns / 1e9:.3f} s. Check whether the clocks of LiDAR and driver differ."
        )
    return np.rint(offset_ns / _GRAIN_NS).astype(np.int64) * _GRAIN_NS
