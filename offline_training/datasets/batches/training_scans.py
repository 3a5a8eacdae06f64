"""Which scans a training step sees: a pure function of the run's seed and the step, so that a resumed run sees the same scans."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.augment.point_augment import AugmentConfig, LabelledScan, augment
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource

_MOST_KEPT_POINTS = 4_000_000  # 80 MB: a hundred scans or so, which is what few-label runs read again and again


class StepSampler(Sampler[list[tuple[int, int]]]):
    """One batch per training step: (step, place in the batch)."""

    def __init__(self, first_step: int, end_step: int, batch_size: int) -> None:
        self.first_step, self.end_step, self.batch_size = first_step, end_step, batch_size

    def __len__(self) -> int:
        return self.end_step - self.first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.first_step, self.end_step):
            yield [(step, place) for place in range(self.batch_size)]


class TrainingScans(Dataset[LabelledScan]):
    """Scans of several data sets, augmented; asked for by (step, place in the batch).

    They are drawn by weight; or, with `epoch_batch` scans in a batch, each comes once in an epoch, in a random order. What does not
    fill a last batch is joined by scans of the next epoch, or left out where `leaves_out`.
    """

    def __init__(
        self,
        sources: Sequence[SampleSource],
        weights: Sequence[float],
        augmentation: AugmentConfig | None,
        max_points: int,
        seed: int,
        epoch_batch: int | None = None,
        leaves_out: bool = False,
    ) -> None:
        self._sources, self._augmentation, self._max_points, self._seed = sources, augmentation, max_points, seed
        self._share = np.asarray(weights, np.float64) / np.sum(weights)
        self._epoch_batch, self._leaves_out = epoch_batch, leaves_out
        self._order: tuple[int, np.ndarray] = -1, np.empty(0, np.int64)  # an epoch and its order
        self._kept: dict[tuple[int, int], LabelledScan] = {}
        self._kept_points = 0

    def __getitem__(self, step_and_place: tuple[int, int]) -> LabelledScan:
        """The scan of one place of one step; the same one however often and wherever it is asked for."""
        rng = self._rng(*step_and_place)
        scan = self._cut(self.read(*self._pick(*step_and_place, rng)), rng)
        if self._augmentation is None:
            return scan
        return augment(scan, self._augmentation, rng, lambda: self._cut(self.read(*self._draw(rng)), rng))

    def __getstate__(self) -> dict[str, Any]:
        """What a loader's process gets; it keeps scans of its own."""
        return {**self.__dict__, "_kept": {}, "_kept_points": 0}

    def scan_count(self) -> int:
        """How many scans the data sets have."""
        return sum(len(source) for source in self._sources)

    def pick(self, step: int, place: int) -> tuple[int, int]:
        """Data set and index of the scan of one place of one step."""
        return self._pick(step, place, self._rng(step, place))

    def read(self, source: int, index: int) -> LabelledScan:
        """A scan as it is stored; as many as fit into some memory are kept."""
        if (source, index) in self._kept:
            return self._kept[source, index]
        scan = labelled_scan(self._sources[source][index])
        if self._kept_points + len(scan) <= _MOST_KEPT_POINTS:
            self._kept[source, index] = scan
            self._kept_points += len(scan)
        return scan

    def _rng(self, step: int, place: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, step, place])

    def _pick(self, step: int, place: int, rng: np.random.Generator) -> tuple[int, int]:
        if self._epoch_batch is None:
            return self._draw(rng)
        epoch, position = self._place(step, place, self._epoch_batch)
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self.scan_count())
        index = int(self._order[1][position])
        for number, source in enumerate(self._sources):
            if index < len(source):
                return number, index
            index -= len(source)
        raise IndexError(f"step {step}, place {place}: no data set has this scan")

    def _place(self, step: int, place: int, batch: int) -> tuple[int, int]:
        """The epoch, and the place in its order; an epoch of fewer scans than a batch holds takes them several times."""
        if not self._leaves_out:
            return divmod(step * batch + place, self.scan_count())
        epoch, step_of_epoch = divmod(step, max(1, self.scan_count() // batch))
        return epoch, (step_of_epoch * batch + place) % self.scan_count()

    def _draw(self, rng: np.random.Generator) -> tuple[int, int]:
        source = int(rng.choice(len(self._sources), p=self._share))
        return source, int(rng.integers(len(self._sources[source])))

    def _cut(self, scan: LabelledScan, rng: np.random.Generator) -> LabelledScan:
        if len(scan) <= self._max_points:
            return scan
        return scan.take(np.sort(rng.choice(len(scan), self._max_points, replace=False)))


def labelled_scan(sample: Sample) -> LabelledScan:
    """The points of a sample that have a return; without labels all of them are ignored."""
    cloud = sample.cloud
    class_id = np.full(len(cloud), IGNORE_ID, np.uint8) if sample.class_id is None else sample.class_id
    ring = cloud.extra.get("ring")
    return LabelledScan(cloud.xyz_m, cloud.intensity, class_id, ring).take(cloud.has_return())


def class_weights(scans: TrainingScans, count: int, num_classes: int, power: float) -> np.ndarray:
    """(K,) float32 weights frequency^-power over the first `count` drawn scans; mean 1 over the classes that occur, 1 for others."""
    points = np.zeros(num_classes)
    for step in range(count if power > 0 else 0):
        class_id = scans[step, 0].class_id
        points += np.bincount(class_id[class_id != IGNORE_ID], minlength=num_classes)
    weights = np.ones(num_classes)
    present = points > 0
    if present.any():
        weights[present] = (points[present] / points.sum()) ** -power
        weights[present] /= weights[present].mean()
    return weights.astype(np.float32)
