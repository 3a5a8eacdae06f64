"""In which order the scans of a run come when data sets are drawn by weight: a pure function of its seed and the step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WeightedOrder:
    """Every place draws a data set by its weight, then any scan of it."""

    scans: Sequence[int]  # of each data set, numbered one behind the other
    weights: Sequence[float]
    seed: int

    def scan(self, step: int, place: int) -> int:
        """The scan of one place of one step."""
        rng = np.random.default_rng([self.seed, 3, step, place])
        share = np.asarray(self.weights, np.float64) / np.sum(self.weights)
        source = int(rng.choice(len(self.scans), p=share))
        return int(sum(self.scans[:source]) + rng.integers(self.scans[source]))
