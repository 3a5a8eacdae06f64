"""Whether an additional LiDAR's points reach the clouds they belong to: its counters and a verdict. No ROS here."""

import threading

from lidar_vl_ros.health.health import ERROR, OK, WARN, Report


class LidarHealth:
    """Counts clouds with and without the points of one LiDAR; safe to use from the worker's thread and the executor's."""

    def __init__(self, topic: str, required: bool) -> None:
        self._lock = threading.Lock()
        self._topic, self._required = topic, required
        self._merged = self._missed = 0
        self._reported = (0, 0)
        self._problem = ""

    def merged(self) -> None:
        """Count a cloud with its points."""
        with self._lock:
            self._merged += 1

    def missed(self, problem: str) -> None:
        """Count a cloud without its points. problem: why."""
        with self._lock:
            self._missed += 1
            self._problem = problem

    def report(self) -> Report:
        """Judge what happened since the last report."""
        with self._lock:
            merged, missed = self._merged - self._reported[0], self._missed - self._reported[1]
            self._reported = self._merged, self._missed
            values = {"topic": self._topic, "merged": str(self._merged), "missed": str(self._missed)}
            if self._problem:
                values["last_problem"] = self._problem
            if missed:
                worst = ERROR if self._required else WARN
                return Report(worst, f"{missed} of {merged + missed} clouds without it: {self._problem}", values)
            return Report(OK, f"added to {merged} clouds" if merged else "no clouds to add it to", values)
