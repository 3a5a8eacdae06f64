"""Scans with boxes as a training step sees them: a pure function of the run's seed and the step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from offline_training.datasets.augment.box_augment import BoxAugmentConfig, augment_boxes, trainable_boxes
from offline_training.datasets.augment.box_scan import BoxScan, box_scan
from offline_training.datasets.augment.object_database import ObjectDatabase
from offline_training.datasets.augment.object_paste import PasteConfig, paste_objects
from offline_training.datasets.base.box_source import BoxSource
from offline_training.datasets.batches.balanced_order import BalancedOrder
from offline_training.datasets.batches.scan_order import ScanOrder


class Order(Protocol):
    """Which scan comes where: ScanOrder or BalancedOrder."""

    def scan(self, step: int, place: int) -> int:
        """The scan of one place of one step."""
        ...


@dataclass(frozen=True)
class BoxTraining:
    """What happens to a scan on its way to a detector."""

    range_m: tuple[float, ...]  # boxes with their centre outside are not asked for: lower, then upper corner
    least_points: int = 1  # in boxes that are asked for
    augmentation: BoxAugmentConfig | None = None
    paste: PasteConfig | None = None


class TrainingBoxes(Dataset[BoxScan]):
    """Scans of data sets of one class table, augmented; asked for by (step, place in the batch)."""

    def __init__(
        self,
        sources: Sequence[BoxSource],
        order: Order,
        training: BoxTraining,
        seed: int,
        database: ObjectDatabase | None = None,
    ) -> None:
        """order: numbers the scans of all sources one behind the other; database: for `training.paste`."""
        self._sources, self._order, self._training, self._seed = tuple(sources), order, training, seed
        self._database = database
        self._ends = np.cumsum([len(source) for source in sources])

    def __getitem__(self, step_and_place: tuple[int, int]) -> BoxScan:
        """The scan of one place of one step, its points in random order; the same one wherever it is asked for."""
        rng = np.random.default_rng([self._seed, *step_and_place])
        scan, training = self.read(self._order.scan(*step_and_place)), self._training
        if training.paste is not None and self._database is not None:
            scan = paste_objects(scan, self._database, training.paste, rng)
        if training.augmentation is not None:
            scan = augment_boxes(scan, training.augmentation, rng)
        scan = trainable_boxes(scan, training.range_m, training.least_points)
        # Where voxels have room for their first points, and scans for their first voxels, these are any of them.
        return scan.take(rng.permutation(len(scan)))

    def read(self, number: int) -> BoxScan:
        """A scan as it is stored."""
        source = int(np.searchsorted(self._ends, number, side="right"))
        return box_scan(self._sources[source][number - int(self._ends[source] - len(self._sources[source]))])


def balanced_order(sources: Sequence[BoxSource], scans_per_step: int, seed: int) -> BalancedOrder:
    """Class-balanced, for which the boxes of every scan are read once. Raises BadDataset without boxes."""
    class_ids = [source.boxes(index).class_id for source in sources for index in range(len(source))]
    return BalancedOrder(class_ids, len(sources[0].classes), scans_per_step, seed)


def even_order(sources: Sequence[BoxSource], scans_per_step: int, seed: int) -> ScanOrder:
    """Every scan once per epoch."""
    return ScanOrder(sum(len(source) for source in sources), scans_per_step, seed)
