"""Frozen features of a network, and linear probes of them by several draws of labelled scans."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.collate import row_class
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.finetuning.frozen_encoder import Encoder

_PULL = 1e-4  # to weights of zero, per squared weight; it makes the optimum unique
_MOST_ITERATIONS = 60


@dataclass(frozen=True)
class ScanRows:
    """Some labelled rows of one scan as a frozen network has them."""

    features: np.ndarray  # (R, C) float32
    class_id: np.ndarray  # (R,) uint8


def scan_rows(encoder: Encoder, source: SampleSource, classes: int, most_rows: int) -> list[ScanRows]:
    """Of each scan of a data set; of its rows with a class at most so many, by chance, the same for every network of one grid."""
    found = []
    for index in range(len(source)):
        sample = source[index]
        scan = labelled_scan(sample)
        told = encoder.features(scan.xyz_m, scan.intensity)
        class_id = row_class(scan.class_id, told.row_of_point, len(told.rows), classes)
        kept = np.random.default_rng(index).permutation(np.flatnonzero(class_id != IGNORE_ID))[:most_rows]
        found.append(ScanRows(told.rows.numpy()[kept], class_id[kept]))
    return found


def label_draws(pool: int, scans: int, draws: int) -> np.ndarray:
    """(draws, scans) int64 places in a pool; each draw without repeats, and a pure function of the three numbers."""
    rng = np.random.default_rng([pool, scans])
    return np.stack([np.sort(rng.permutation(pool)[:scans]) for _ in range(draws)])


def probed_counts(pool: Sequence[ScanRows], test: Sequence[ScanRows], draws: np.ndarray, classes: int) -> np.ndarray:
    """(draws, T, 3, K) int64 of each test scan: rows of a class that were found, that are there, that were answered.

    draws: (D, S) places in the pool. Features are standardised by all of the pool, which needs no label.
    """
    features = np.concatenate([rows.features for rows in pool])
    mean, spread = features.mean(axis=0), features.std(axis=0).clip(min=1e-6)
    tested = [_with_one((rows.features - mean) / spread) for rows in test]
    counts = np.zeros((len(draws), len(test), 3, classes), np.int64)
    for draw, places in enumerate(draws):
        seen = _with_one((np.concatenate([pool[place].features for place in places]) - mean) / spread)
        weights = linear_probe(seen, np.concatenate([pool[place].class_id for place in places]), classes)
        for place, rows in enumerate(test):
            answer = (tested[place] @ weights).argmax(axis=1)
            of = (answer[answer == rows.class_id], rows.class_id, answer)
            counts[draw, place] = [np.bincount(each, minlength=classes) for each in of]
    return counts


def linear_probe(features: np.ndarray, class_id: np.ndarray, classes: int) -> np.ndarray:
    """(C, K) weights of the multinomial logistic regression of classes (R,) on features (R, C), by at most 60 steps of L-BFGS.

    Classes weigh by the root of their rarity, so that the road does not decide alone. No seed: it begins at zeros, and its loss
    ends within 0.001 of the optimum's.
    """
    rows, channels = features.shape
    count = np.bincount(class_id, minlength=classes)
    weight = (1.0 / np.sqrt(count[class_id])).astype(np.float32)
    weight /= weight.sum()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(channels, classes).astype(np.float32)
        scores = features @ weights
        log_share = scores - logsumexp(scores, axis=1, keepdims=True)
        value = -float(weight @ log_share[np.arange(rows), class_id]) + 0.5 * _PULL * float(flat @ flat)
        slope = np.exp(log_share)
        slope[np.arange(rows), class_id] -= 1.0
        gradient = features.T @ (slope * weight[:, None])
        return value, gradient.astype(np.float64).ravel() + _PULL * flat

    start = np.zeros(channels * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_ITERATIONS})
    return found.x.reshape(channels, classes).astype(np.float32)


def _with_one(features: np.ndarray) -> np.ndarray:
    """(R, C + 1): a constant feature stands for the bias."""
    return np.column_stack([features, np.ones(len(features))]).astype(np.float32)
