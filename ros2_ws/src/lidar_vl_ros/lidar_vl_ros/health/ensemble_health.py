"""How old the images are that label clouds, and what share of the points they label: figures and a verdict. No ROS here."""

import threading
from collections import deque
from collections.abc import Mapping

import numpy as np

from lidar_vl_ros.health.health import OK, WARN, Report

_WINDOW = 200  # clouds, 20 s of a 10 Hz LiDAR


class EnsembleHealth:
    """Counts clouds by whether images took part in labelling; safe to use from the worker's thread and the executor's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ages_ms: deque[float] = deque(maxlen=_WINDOW)  # of the oldest image that labelled a cloud
        self._shares: deque[float] = deque(maxlen=_WINDOW)  # of a cloud's points
        self._of_camera_ms: Mapping[str, float] = {}  # of the last cloud
        self._clouds = self._alone = 0  # since the last report
        self._problem = ""

    def named(self, ages_ms: Mapping[str, float], share: float) -> None:
        """Count a cloud labelled by network and images. ages_ms: of the images, by camera. share: of its points, by images."""
        with self._lock:
            self._clouds += 1
            self._of_camera_ms = dict(ages_ms)
            self._ages_ms.append(max(ages_ms.values(), key=abs))
            self._shares.append(share)

    def alone(self, problem: str) -> None:
        """Count a cloud labelled by the network alone. problem: why."""
        with self._lock:
            self._clouds += 1
            self._alone += 1
            self._problem, self._of_camera_ms = problem, {}

    def report(self, tower: Mapping[str, str], stuck_s: float | None) -> Report:
        """Judge what happened since the last report. tower: further figures. stuck_s: how long it has been overdue, or None."""
        with self._lock:
            clouds, alone, self._clouds, self._alone = self._clouds, self._alone, 0, 0
            values = {f"age_ms {name}": f"{age_ms:.0f}" for name, age_ms in self._of_camera_ms.items()}
            if self._ages_ms:
                age_ms, share = float(np.median(self._ages_ms)), float(np.median(self._shares))
                values |= {
                    "age_ms_p50": f"{age_ms:.0f}",
                    "age_ms_p95": f"{np.percentile(self._ages_ms, 95):.0f}",
                    "share_p50": f"{share:.3f}",
                }
            if self._problem:
                values["last_problem"] = self._problem
            values |= tower
            if stuck_s is not None:
                return Report(
                    WARN, f"the image encoder has been working on one set of images for {stuck_s:.0f} s", values
                )
            if alone:
                text = f"{alone} of {clouds} clouds labelled by the network alone: {self._problem}"
                return Report(WARN, text, values)
            if not clouds:
                return Report(OK, "no clouds to label", values)
            return Report(OK, f"images from {age_ms:.0f} ms before the cloud label {share:.0%} of its points", values)
