"""Compiled loops of label_points(): from logits of voxels to answers of points."""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

_NO_ANSWER = np.uint8(255)  # class_table.IGNORE_ID


@compiled
def best_classes(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M,) uint8 first class with the largest logit, 255 where a logit is not finite; (M, K) logits minus the largest."""
    best = np.empty(len(logits), np.uint8)
    below_best = np.empty_like(logits)
    for voxel in range(len(logits)):
        winner = 0
        largest = logits[voxel, 0]
        finite = True
        for k in range(logits.shape[1]):
            logit = logits[voxel, k]
            finite = finite and math.isfinite(logit)
            if logit > largest:
                largest = logit
                winner = k
        best[voxel] = np.uint8(winner) if finite else _NO_ANSWER
        for k in range(logits.shape[1]):
            below_best[voxel, k] = logits[voxel, k] - largest if finite else np.float32(0.0)
    return best, below_best


@compiled
def spread_to_points(best: np.ndarray, odds: np.ndarray, point_to_voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) uint8 class and (N,) float32 probability per point; odds: (M, K) exp(logit - largest logit)."""
    probability_of_voxel = np.empty(len(best), np.float32)
    for voxel in range(len(best)):
        total = np.float32(0.0)
        for k in range(odds.shape[1]):
            total += odds[voxel, k]
        probability_of_voxel[voxel] = 1.0 / total if best[voxel] != _NO_ANSWER else 0.0
    class_id = np.empty(len(point_to_voxel), np.uint8)
    probability = np.empty(len(point_to_voxel), np.float32)
    for i in range(len(point_to_voxel)):
        voxel = point_to_voxel[i]
        class_id[i] = best[voxel] if voxel >= 0 else _NO_ANSWER
        probability[i] = probability_of_voxel[voxel] if voxel >= 0 else 0.0
    return class_id, probability
