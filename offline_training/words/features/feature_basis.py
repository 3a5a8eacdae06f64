"""Principal components of image features: most of the variance of a store's channels in a few numbers, and the way back."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig


@dataclass(frozen=True, eq=False)
class FeatureBasis:
    """feature ~ mean + coefficient @ directions."""

    mean: np.ndarray  # (C,) float32
    directions: np.ndarray  # (k, C) float32, orthonormal rows, the largest variance first
    explained: float  # share of the variance of the features it was fitted to, 0..1

    def coefficients(self, feature: np.ndarray) -> np.ndarray:
        """(V, C) -> (V, k) float16."""
        return ((feature.astype(np.float32) - self.mean) @ self.directions.T).astype(np.float16)

    def restored(self, coefficient: np.ndarray) -> np.ndarray:
        """(V, k) -> (V, C) float16."""
        return (coefficient.astype(np.float32) @ self.directions + self.mean).astype(np.float16)


def checked_basis(mean: np.ndarray, directions: np.ndarray, explained: float) -> FeatureBasis:
    """A basis of stored arrays, mean (C,) and directions (K, C); raises ValueError for other arrays."""
    if mean.ndim != 1 or directions.ndim != 2 or directions.shape[1] != len(mean):
        raise ValueError(f"mean {mean.shape} and directions {directions.shape}")
    if (mean.dtype, directions.dtype) != (np.float32, np.float32):
        raise ValueError(f"{mean.dtype} and {directions.dtype} in place of float32")
    if not (np.isfinite(mean).all() and np.isfinite(directions).all() and np.isfinite(explained)):
        raise ValueError("NaN or infinite numbers")
    return FeatureBasis(mean, directions, explained)


def feature_basis(features: Iterable[np.ndarray], components: int) -> FeatureBasis:
    """The basis of `components` directions with the least squared error over all rows of some scenes, (V, C) each.

    Raises BadConfig if the features have fewer channels than components.
    """
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    for feature in features:
        rows = feature.astype(np.float64)
        if count == 0:
            total, products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
        count, total, products = count + len(rows), total + rows.sum(axis=0), products + rows.T @ rows
    if not 0 < components <= len(total):
        raise BadConfig(
            f"extract.components: expected at most the {len(total)} channels of the features, found {components}. "
            "Reduce it, or leave it out."
        )
    mean = total / max(count, 1)
    variances, columns = np.linalg.eigh(products / max(count, 1) - np.outer(mean, mean))
    variances = np.maximum(variances[::-1], 0.0)
    directions = columns.T[::-1][:components]
    directions = (
        directions * np.where(directions.sum(axis=1) < 0.0, -1.0, 1.0)[:, None]
    )  # otherwise the sign is arbitrary
    explained = variances[:components].sum() / variances.sum() if variances.sum() > 0.0 else 1.0
    return FeatureBasis(mean.astype(np.float32), directions.astype(np.float32), float(explained))
