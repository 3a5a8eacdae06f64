"""In which order the scans of a run come when each class is to be met as often: a pure function of its seed and the step."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.augment.class_balance import class_balanced_scans


class BalancedOrder:
    """Each epoch draws its scans anew, by classes; what does not fill a last step is left out."""

    def __init__(self, class_ids: Sequence[np.ndarray], num_classes: int, scans_per_step: int, seed: int) -> None:
        """class_ids: of the boxes of each scan; scans_per_step: of all processes together. Raises BadDataset without boxes."""
        self._class_ids, self._num_classes = tuple(class_ids), num_classes
        self._scans_per_step, self._seed = scans_per_step, seed
        self._epoch = 0, self._drawn(0)
        if not len(self._epoch[1]):
            raise BadDataset(
                f"class-balanced order: expected boxes of a class in {len(class_ids)} scans, found none. "
                "Take the scans in their own order, or other data."
            )

    @property
    def steps_per_epoch(self) -> int:
        """At least one: fewer scans than a step holds come several times in it."""
        return max(1, len(self._epoch[1]) // self._scans_per_step)

    def scan(self, step: int, place: int) -> int:
        """The scan of one place of one step."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = epoch, self._drawn(epoch)
        drawn = self._epoch[1]
        return int(drawn[(step_of_epoch * self._scans_per_step + place) % len(drawn)])

    def _drawn(self, epoch: int) -> np.ndarray:
        return class_balanced_scans(self._class_ids, self._num_classes, np.random.default_rng([self._seed, 2, epoch]))
