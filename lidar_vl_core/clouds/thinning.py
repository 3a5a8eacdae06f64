"""Clouds with more points than a network should process: which points it sees, and the answer for all of them."""

from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud

# Knuth's multiplicative hash: 2^32 over the golden ratio. Points next to each other get places far from each other, so that
# no pattern of a sensor (64 beams a column, 2048 columns a row) can meet one of the choice, as every k-th point would.
_GOLDEN = np.uint32(2654435761)


@dataclass(frozen=True, eq=False)
class ThinnedCloud:
    """The points of a cloud that the network sees."""

    cloud: PointCloud  # M points, in the order they came
    rows: np.ndarray | None  # (M,) int64 of the whole cloud; None: all of it
    whole_count: int  # N points of the whole cloud

    def spread(self, values: np.ndarray, elsewhere: float) -> np.ndarray:
        """(N,) what was found for the M points, and `elsewhere` for those that nobody looked at."""
        if self.rows is None:
            return values
        spread = np.full(self.whole_count, elsewhere, values.dtype)
        spread[self.rows] = values
        return spread


def thinned(cloud: PointCloud, max_points: int) -> ThinnedCloud:
    """At most max_points of a cloud, spread evenly over its order and the same for all clouds of its size."""
    count = len(cloud)
    if count <= max_points:
        return ThinnedCloud(cloud, None, count)
    place = np.arange(count, dtype=np.uint32) * _GOLDEN  # wraps: a permutation of all 2^32 places
    rows = np.sort(np.argpartition(place, max_points)[:max_points])
    extra = {name: column[rows] for name, column in cloud.extra.items()}
    few = replace(cloud, xyz_m=cloud.xyz_m[rows], intensity=cloud.intensity[rows], extra=extra)
    return ThinnedCloud(few, rows, count)
