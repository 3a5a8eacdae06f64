"""The compiled loop that adds image features to the points that see them."""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled


@compiled
def add_features(sums: np.ndarray, row: np.ndarray, cell: np.ndarray, feature: np.ndarray) -> None:
    """sums[row[i]] += feature[cell[i]] for each i in turn; sums (V, C), feature (cells, C) float32, row and cell (P,) int64."""
    channels = sums.shape[1]
    for i in range(len(row)):
        target, source = row[i], cell[i]
        for channel in range(channels):
            sums[target, channel] += feature[source, channel]
