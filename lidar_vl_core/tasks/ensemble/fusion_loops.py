"""Compiled loop of camera fusion: sums of features of points that several images see."""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled


@compiled
def add_rows(rows: np.ndarray, row: np.ndarray, place: np.ndarray, total: np.ndarray) -> None:
    """total[place[i]] += rows[row[i]] for every i; rows: (R, C) and total: (S, C) float32."""
    for i in range(len(row)):
        source, target = rows[row[i]], total[place[i]]
        for channel in range(len(source)):
            target[channel] += source[channel]
