"""The scans of a pre-training step: a pure function of the run's seed, the step and the place among all processes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from offline_training.datasets.base.sample_source import SampleSource
from offline_training.pretraining.several_sources import Order, scaled
from offline_training.runs.ranks import Ranks

_Views = Callable[
    [SampleSource, int, np.random.Generator], Any
]  # draws a method's training item from a sample of a source


class PretrainScans(Dataset[Any]):
    """Augmented scans of several data sets, indexed by (step, place among all processes)."""

    def __init__(
        self, sources: Sequence[SampleSource], order: Order, views: _Views, intensity_factors: Sequence[float]
    ) -> None:
        """intensity_factors: the factor of each data set's intensities."""
        self._sources, self._order, self._views, self._factors = sources, order, views, intensity_factors
        self._end = np.cumsum([len(source) for source in sources])

    def __getitem__(self, step_and_place: tuple[int, int]) -> Any:  # noqa: ANN401  the method's own type of training item
        """The scan of one place of one step; always the same, in any process."""
        step, place = step_and_place
        number = self._order.scan(step, place)
        source = int(np.searchsorted(self._end, number, side="right"))
        index = number - (int(self._end[source - 1]) if source else 0)
        drawn = self._views(self._sources[source], index, np.random.default_rng([self._order.seed, 2, step, place]))
        return scaled(drawn, self._factors[source])


def places(first_step: int, end_step: int, batch_size: int, ranks: Ranks) -> list[list[tuple[int, int]]]:
    """For each step the indices this process reads: (step, place among all processes)."""
    mine = range(ranks.rank * batch_size, (ranks.rank + 1) * batch_size)
    return [[(step, place) for place in mine] for step in range(first_step, end_step)]
