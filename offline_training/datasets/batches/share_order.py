"""In which order scans of several data sets come when each has its share of them: a pure function of the seed and the step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig


@dataclass(frozen=True)
class ShareOrder:
    """An epoch has as many places as all scans fill; each data set gets its share of them, spread evenly over the steps.

    Within a data set every scan comes once before any comes again, over the borders of epochs; a small one comes round
    several times in an epoch, of a large one an epoch shows a part.
    """

    scans: tuple[int, ...]  # of each data set, numbered one behind the other
    weights: tuple[float, ...]  # of each data set, against the others
    scans_per_step: int  # of all processes together
    seed: int

    def __post_init__(self) -> None:
        """Raise BadConfig where a data set's share is less than one scan of an epoch."""
        for weight, places in zip(self.weights, self.places_per_epoch, strict=True):
            if places == 0:
                raise BadConfig(
                    f"weight {weight:g}: expected a share of at least one of the {self._places} scans of an epoch, found "
                    f"less, against weights {', '.join(f'{one:g}' for one in self.weights)}. Raise it, or leave the data set out."
                )

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps, as without weights: all scans once, without an incomplete last step; at least one."""
        return max(1, sum(self.scans) // self.scans_per_step)

    @property
    def places_per_epoch(self) -> tuple[int, ...]:
        """Number of scans of each data set; shares are rounded by largest remainders."""
        return _shared_out(self._places, self.weights)

    def scan(self, step: int, place: int) -> int:
        """The scan of one place of one step."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        mixed = np.random.default_rng([self.seed, 4, step]).permutation(
            self.scans_per_step
        )  # no process has a source to itself
        at = step_of_epoch * self.scans_per_step + int(mixed[place])
        source_of_place, turn_of_place = _spread(self.places_per_epoch)
        source = int(source_of_place[at])
        turn = epoch * self.places_per_epoch[source] + int(turn_of_place[at])
        return sum(self.scans[:source]) + self._scan_of(source, turn)

    def _scan_of(self, source: int, turn: int) -> int:
        """What a data set shows at its n-th turn of the whole run."""
        round_of_scans, place = divmod(turn, self.scans[source])
        return int(_shuffled(self.scans[source], self.seed, source, round_of_scans)[place])

    @property
    def _places(self) -> int:
        return self.steps_per_epoch * self.scans_per_step


def _shared_out(places: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Whole numbers of a sum, by the method of largest remainders; of equal ones the first."""
    exact = places * np.asarray(weights, np.float64) / np.sum(weights)
    whole = np.floor(exact).astype(np.int64)
    first = np.argsort(whole - exact, kind="stable")[: places - int(whole.sum())]
    whole[first] += 1
    return tuple(whole.tolist())


@lru_cache(maxsize=8)
def _spread(places: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(S,) data set of each place of an epoch and which of its own places that is; each evenly over the epoch."""
    source = np.repeat(np.arange(len(places)), places)
    turn = np.concatenate([np.arange(count) for count in places])
    order = np.argsort((turn + 0.5) / np.repeat(places, places), kind="stable")
    return source[order], turn[order]


@lru_cache(maxsize=32)
def _shuffled(scans: int, seed: int, source: int, round_of_scans: int) -> np.ndarray:
    return np.random.default_rng([seed, 5, source, round_of_scans]).permutation(scans)
