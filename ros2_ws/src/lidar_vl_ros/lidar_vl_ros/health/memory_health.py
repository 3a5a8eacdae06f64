"""Memory of the process, and release of what a rare large cloud needed. Reads /proc, calls the C library."""

import ctypes
import threading
from pathlib import Path

from lidar_vl_core.sweeps.outliers import Outliers
from lidar_vl_ros.health.health import ERROR, OK, WARN, Report

_SCARCE, _GONE = 0.10, 0.03  # of the memory of machine or container that is left


class MemoryHealth:
    """`answered` is called by the worker for each cloud, `report` by the executor's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outliers = Outliers()
        self._held_points = 0  # the largest cloud since memory was released
        self._largest_points = self._trims = 0

    def answered(self, points: int) -> bool:
        """Note an answered cloud of so many points; true if the heap was released after it."""
        with self._lock:
            needed = self._outliers.over(points, self._held_points)
            self._held_points = max(self._held_points, points) if needed is None else needed
            self._largest_points = max(self._largest_points, points)
            self._trims += needed is not None
        return needed is not None and _give_back_freed()

    def report(self) -> Report:
        """Figures from /proc, with a warning before the system runs out of memory; without /proc nothing is known."""
        with self._lock:
            values = {"largest_cloud_points": str(self._largest_points), "trims": str(self._trims)}
        status, machine = _kilobytes(Path("/proc/self/status")), _kilobytes(Path("/proc/meminfo"))
        if "VmRSS" not in status or "MemAvailable" not in machine:
            return Report(OK, "unknown on this system", values)
        left_mb, total_mb = _left_and_total_mb(machine)
        resident_mb = status["VmRSS"] / 1e3
        values |= {
            "rss_mb": f"{resident_mb:.0f}",
            "rss_peak_mb": f"{status['VmHWM'] / 1e3:.0f}",
            "left_mb": f"{left_mb:.0f}",
            "total_mb": f"{total_mb:.0f}",
        }
        share = left_mb / total_mb
        level = ERROR if share < _GONE else WARN if share < _SCARCE else OK
        return Report(level, f"{resident_mb:.0f} MB used, {left_mb:.0f} of {total_mb:.0f} MB left", values)


def _left_and_total_mb(machine: dict[str, int]) -> tuple[float, float]:
    """Memory left and in total: of the container if it has a limit, else of the machine."""
    left_mb, total_mb = machine["MemAvailable"] / 1e3, machine["MemTotal"] / 1e3
    limit, used = _number(Path("/sys/fs/cgroup/memory.max")), _number(Path("/sys/fs/cgroup/memory.current"))
    if limit is None or used is None or limit / 1e6 >= total_mb:
        return left_mb, total_mb
    return min(left_mb, max(limit - used, 0) / 1e6), limit / 1e6


def _kilobytes(path: Path) -> dict[str, int]:
    """Parse lines such as `VmRSS:  1234 kB`, by name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = [(name, rest.split()) for name, _, rest in (line.partition(":") for line in lines)]
    return {name: int(words[0]) for name, words in pairs if len(words) == 2 and words[1] == "kB"}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # ValueError: "max", no limit
        return None


def _give_back_freed() -> bool:
    """Let glibc return free heap memory to the system; 15 ms for 300 MB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return bool(trim is not None and trim(0))
