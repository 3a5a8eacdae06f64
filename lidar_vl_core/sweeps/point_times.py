"""When each point of a sweep was measured: the unit of the driver's times, and their origin."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.stamps import NS_PER_S

_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
# A sweep lasts from 5 ms (200 Hz) to 1 s; its middle 98 %, by which it is measured, are a little shorter. The window is narrower
# than the factor between units, so at most one unit fits.
_SHORTEST_NS, _LONGEST_NS = 4.5e6, 1e9
_MIDDLE = (0.01, 0.99)  # quantiles: a few broken times must not make a sweep of microseconds out of one of seconds
_LOOKED_AT = 2000  # points
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
    looked_at = times[:: len(times) // _LOOKED_AT | 1].astype(np.float64)  # an odd step: rows have even lengths
    values = looked_at[np.isfinite(looked_at)]
    if not len(values):
        raise _no_sweep("no number")
    low, high = map(float, np.quantile(values, _MIDDLE, method="nearest"))
    fitting = [
        TimeScale(unit, is_absolute)
        for unit, unit_ns in _UNITS_NS.items()
        if _SHORTEST_NS <= (high - low) * unit_ns <= _LONGEST_NS
        for is_absolute, from_ns in ((False, 0), (True, stamp_ns))
        if max(abs(low * unit_ns - from_ns), abs(high * unit_ns - from_ns)) <= _FURTHEST_NS
    ]
    told = f"values from {low:.9g} to {high:.9g} ({times.dtype}) at the stamp {stamp_ns / NS_PER_S:.9f} s"
    if len(fitting) > 1 and stamp_ns:  # a simulation that just began: both origins lie near each other
        raise _no_sweep(f"{told}, which may be either")
    if not fitting:
        raise _no_sweep(told)
    return fitting[0]


class ScaleOfMost:
    """Unit and origin that most sweeps of one driver have told; where as many told another, the newest.

    The first sweep alone may tell a wrong one: 0.9 ms of a turn, from a driver that starts in the middle, look like 0.9 s.
    """

    def __init__(self) -> None:
        self._sweeps: dict[TimeScale, int] = {}  # how many told it; the one told last comes last

    def after(self, times: np.ndarray, stamp_ns: int) -> TimeScale:
        """The scale after one more sweep. Raises as time_scale() until a sweep has told one."""
        try:
            told = time_scale(times, stamp_ns)
        except BadPointCloud:
            if not self._sweeps:
                raise
        else:
            self._sweeps[told] = self._sweeps.pop(told, 0) + 1
        return max(reversed(self._sweeps), key=self._sweeps.__getitem__)


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
    if missing := np.count_nonzero(~np.isfinite(offset_ns)):
        raise BadPointCloud(
            f"time of each point: expected a number for each point with a return, found none for {missing} of {len(times)}. "
            "Fix the driver, or turn motion compensation off."
        )
    furthest_ns = float(np.abs(offset_ns).max(initial=0.0))
    if furthest_ns > _FURTHEST_NS:
        raise BadPointCloud(
            f"time of each point: expected at most {_FURTHEST_NS / 1e9} s from the stamp as {scale}, found "
            f"{furthest_ns / 1e9:.3f} s. Check whether the clocks of LiDAR and driver differ."
        )
    return np.rint(offset_ns / _GRAIN_NS).astype(np.int64) * _GRAIN_NS
