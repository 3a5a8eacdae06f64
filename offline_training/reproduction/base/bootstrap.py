"""How far one row is ahead of another where both were tested on the same scenes: a paired bootstrap over draws and scenes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
CONFIDENCE = 0.95
SceneCounts = Mapping[
    str, Sequence[Sequence[int]]
]  # scene -> points of each class that are right, true, and answered so


@dataclass(frozen=True)
class Ahead:
    """A difference of mean IoU and the interval that holds it."""

    mean: float
    lower: float
    upper: float


def bootstrap_difference(first: Sequence[SceneCounts], second: Sequence[SceneCounts], seed: int = 0) -> Ahead:
    """Mean IoU of the second row minus that of the first, in percent, with its interval of 95 %.

    first, second: of each draw (a seed of the training, a choice of labels), in one order. Draws and scenes are both drawn
    anew with replacement, n - 1 out of n, which makes the variance of a mean of few right and not too small (Rao and Wu, 1988),
    and the same ones for both rows, which therefore share the luck of an easy scene. Of each draw the scenes are pooled, then
    the draws averaged. One draw gives an interval over its scenes alone. Raises ValueError for rows that were not tested on
    the same scenes.
    """
    scenes = list(first[0])
    if len(first) != len(second) or any(set(one) != set(scenes) for one in (*first, *second)):
        raise ValueError("expected counts of the same scenes in as many draws")
    counts = np.array([[[draw[name] for name in scenes] for draw in row] for row in (first, second)], np.int64)
    rng = np.random.default_rng(seed)
    draws, units = len(first), len(scenes)
    taken = _drawn_anew(rng, units)  # (R, scenes)
    weight = _drawn_anew(rng, draws) / max(draws - 1, 1)  # (R, draws)
    pooled = np.einsum("rs,bdsck->bdrck", taken, counts)  # (2, draws, R, 3, K)
    resampled = np.einsum("bdr,rd->br", mean_iou(pooled), weight)
    differences = 100.0 * (resampled[1] - resampled[0])
    lower, upper = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    each = mean_iou(counts.sum(axis=2)).mean(axis=1)  # (2,)
    return Ahead(100.0 * float(each[1] - each[0]), float(lower), float(upper))


def _drawn_anew(rng: np.random.Generator, count: int) -> np.ndarray:
    """(R, count) how often each comes; what there is one of comes always."""
    if count == 1:
        return np.ones((RESAMPLES, 1), np.int64)
    return rng.multinomial(count - 1, np.full(count, 1 / count), RESAMPLES)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """(...) mean over the classes in the truth, of counts (..., 3, K): points that are right, true, and answered so."""
    right, true, answered = (counts[..., part, :].astype(np.float64) for part in range(3))
    iou = right / np.maximum(true + answered - right, 1)
    present = true > 0
    return (iou * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
