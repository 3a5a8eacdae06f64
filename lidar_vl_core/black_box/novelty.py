"""How far the statistics of a cloud and its labels are from what was usual recently."""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud

_FORGETTING = 1 / 600  # weight of one cloud: a minute of a 10 Hz LiDAR
_LEARNED = 100  # clouds before anything can be new
_OUTLIER = 4.0  # deviations; what lies farther moves mean and deviation no more than that, or the first odd cloud hides the next
_LEAST_DEVIATION = 0.01  # of a share: what stands still must not make every pedestrian new
_LOOKED_AT = 5000  # points
_SCALE_M = 50.0  # ranges as shares of it


def statistics_of(cloud: PointCloud, class_id: np.ndarray, classes: int) -> np.ndarray:
    """(classes + 4,) float64, each about 0 to 1: shares of the classes, points without a return, median and far range, intensity.

    Of a few thousand points, spread evenly: the shares stay the same to a percent, and a cloud costs a millisecond at most.
    """
    few = slice(None, None, max(1, len(cloud) // _LOOKED_AT))
    range_m = np.linalg.norm(cloud.xyz_m[few].astype(np.float64), axis=1)
    met = np.isfinite(range_m) & (range_m > 0.0)
    median_m, far_m = np.percentile(range_m[met], (50, 90)) if met.any() else (0.0, 0.0)
    named = class_id[few][class_id[few] != IGNORE_ID]
    shares = np.bincount(named, minlength=classes)[:classes] / max(len(named), 1)
    intensity = float(cloud.intensity[few][met].mean()) if met.any() else 0.0
    without = 1.0 - float(met.mean()) if len(met) else 1.0
    return np.array([*shares, without, median_m / _SCALE_M, far_m / _SCALE_M, intensity])


class Novelty:
    """Tracks mean and deviation of the statistics, with most weight on the last minute."""

    def __init__(self) -> None:
        self._mean = np.empty(0)
        self._variance = np.empty(0)
        self._seen = 0

    def deviations(self, statistics: np.ndarray) -> float | None:
        """The largest distance of one statistic from its mean, in standard deviations; None while that is not known.

        Other lengths, as after a change of the classes, begin anew.
        statistics: (S,) of one cloud.
        """
        if statistics.shape != self._mean.shape:
            self._mean, self._variance, self._seen = statistics.copy(), np.zeros_like(statistics), 0
        distance = statistics - self._mean
        deviation = np.maximum(np.sqrt(self._variance), _LEAST_DEVIATION)
        found = None
        if self._seen >= _LEARNED:
            found = float(np.max(np.abs(distance) / deviation))
            distance = np.clip(distance, -_OUTLIER * deviation, _OUTLIER * deviation)
        self._seen += 1
        weight = max(_FORGETTING, 1.0 / self._seen)
        self._mean += weight * distance
        self._variance = (1.0 - weight) * (self._variance + weight * distance**2)
        return found
