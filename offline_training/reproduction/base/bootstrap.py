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

    @property
    def shows_an_order(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.lower > 0 or self.upper < 0


def bootstrap_difference(first: Sequence[SceneCounts], second: Sequence[SceneCounts], seed: int = 0) -> Ahead:
    """Mean IoU of the second row minus that of the first, in percent, with its interval of 95 %.

    first, second: of each draw (a seed of the training, a choice of labels), in one order. Draws and scenes are both drawn
    anew with replacement, the same ones for both rows, which therefore share the luck of an easy scene. Of each draw the
    scenes are pooled, then the draws averaged. One draw gives an interval over its scenes alone. Raises ValueError for rows
    that were not tested on the same scenes.
    """
    scenes = list(first[0])
    if len(first) != len(second) or any(set(one) != set(scenes) for one in (*first, *second)):
        raise ValueError("expected counts of the same scenes in as many draws")
    counts = np.array([[[draw[name] for name in scenes] for draw in row] for row in (first, second)], np.int64)
    rng = np.random.default_rng(seed)
    draws, units = len(first), len(scenes)
    taken = rng.multinomial(units, np.full(units, 1 / units), RESAMPLES)  # (R, scenes) how often each
    weight = rng.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES) / draws  # (R, draws)
    pooled = np.einsum("rs,bdsck->bdrck", taken, counts)  # (2, draws, R, 3, K)
    resampled = np.einsum("bdr,rd->br", mean_iou(pooled), weight)
    differences = 100.0 * (resampled[1] - resampled[0])
    lower, upper = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    each = mean_iou(counts.sum(axis=2)).mean(axis=1)  # (2,)
    return Ahead(100.0 * float(each[1] - each[0]), float(lower), float(upper))


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """(...) mean over the classes in the truth, of counts (..., 3, K): points that are right, true, and answered so."""
    right, true, answered = (counts[..., part, :].astype(np.float64) for part in range(3))
    iou = right / np.maximum(true + answered - right, 1)
    present = true > 0
    return (iou * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
