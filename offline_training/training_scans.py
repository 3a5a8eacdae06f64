"""Which scans a training step sees: a pure function of the run's seed and the step, so that a resumed run goes on exactly."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Dataset, Sampler

from lidar_vl_core.labels import IGNORE_ID
from offline_training.data_sources import SampleSource
from offline_training.datasets.augment import AugmentConfig, LabelledScan, augment
from offline_training.datasets.sample import Sample


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
    """Scans drawn from several data sets by weight, and augmented; asked for by (step, place in the batch)."""

    def __init__(
        self,
        sources: Sequence[SampleSource],
        weights: Sequence[float],
        augmentation: AugmentConfig,
        max_points: int,
        seed: int,
    ) -> None:
        self._sources, self._augmentation, self._max_points, self._seed = sources, augmentation, max_points, seed
        self._share = np.asarray(weights, np.float64) / np.sum(weights)

    def __getitem__(self, step_and_place: tuple[int, int]) -> LabelledScan:
        """The scan of one place of one step; the same one however often and wherever it is asked for."""
        step, place = step_and_place
        rng = np.random.default_rng([self._seed, step, place])
        return augment(self._draw(rng), self._augmentation, rng, lambda: self._draw(rng))

    def _draw(self, rng: np.random.Generator) -> LabelledScan:
        source = self._sources[int(rng.choice(len(self._sources), p=self._share))]
        scan = labelled_scan(source[int(rng.integers(len(source)))])
        if len(scan) > self._max_points:
            scan = scan.take(np.sort(rng.choice(len(scan), self._max_points, replace=False)))
        return scan


def labelled_scan(sample: Sample) -> LabelledScan:
    """The finite points of a sample; without labels all of them are ignored."""
    cloud = sample.cloud
    class_id = np.full(len(cloud), IGNORE_ID, np.uint8) if sample.class_id is None else sample.class_id
    ring = cloud.extra.get("ring")
    return LabelledScan(cloud.xyz_m, cloud.intensity, class_id, ring).take(cloud.finite())


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
