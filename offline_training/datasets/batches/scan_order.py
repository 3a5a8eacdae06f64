"""In which order the scans of a run come: a pure function of its seed and the step, so that a resumed run sees the same scans."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScanOrder:
    """Every scan once per epoch, in an order of the epoch's own; what does not fill a last step is left out."""

    scans: int
    scans_per_step: int  # of all processes together
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """At least one: fewer scans than a step holds come several times in it."""
        return max(1, self.scans // self.scans_per_step)

    def scan(self, step: int, place: int) -> int:
        """The scan of one place of one step."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.scans)
        return int(order[(step_of_epoch * self.scans_per_step + place) % self.scans])
