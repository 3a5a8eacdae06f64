"""Frozen features of a network, and linear probes of them with several draws of labelled scans."""

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

_PULL = 1e-4  # L2 penalty per squared weight; makes the optimum unique
_MOST_ITERATIONS = 60


@dataclass(frozen=True)
class ScanRows:
    """Features and classes of some labelled rows of one scan, from a frozen network."""

    features: np.ndarray  # (R, C) float32
    class_id: np.ndarray  # (R,) uint8


def scan_rows(encoder: Encoder, source: SampleSource, classes: int, most_rows: int) -> list[ScanRows]:
    """Rows of each scan of a data set: at most most_rows labelled ones, drawn at random, the same for all networks with one grid."""
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
    """(draws, scans) int64 indices into a pool; each draw without repeats, a pure function of the three numbers."""
    rng = np.random.default_rng([pool, scans])
    return np.stack([np.sort(rng.permutation(pool)[:scans]) for _ in range(draws)])


def probed_counts(pool: Sequence[ScanRows], test: Sequence[ScanRows], draws: np.ndarray, classes: int) -> np.ndarray:
    """(draws, T, 3, K) int64 counts per test scan: true positives, true rows and answered rows of each class.

    draws: (D, S) indices into the pool. Features are standardised over the whole pool, which needs no labels.
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

    Classes are weighted by the square root of their rarity, so that the road does not dominate. No seed is needed: it
    starts at zero, and its loss ends within 0.001 of the optimum.
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
    """(R, C + 1): features with a constant 1 for the bias."""
    return np.column_stack([features, np.ones(len(features))]).astype(np.float32)
