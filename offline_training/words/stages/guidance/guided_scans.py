"""Training data of stage 3: scans drawn and augmented for each step, with the features that their rows learn."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.utils.data import Dataset

from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.scan_order import ScanOrder
from offline_training.networks.base.point_backbone import BackboneInputs, Preparer, Scan
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.settings.training_samples import scan_of
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.adapter.kept_scenes import KeptScenes
from offline_training.words.stages.guidance.guide_augment import augment_scan

_CHANNELS_AT_ONCE = 64  # of sums in float32: all features of a scene may take half a gigabyte


@dataclass(frozen=True, eq=False)
class GuidedScan:
    """A scan and the features of its points."""

    scan: Scan
    feature: np.ndarray  # (V, C) float16
    row_of_point: np.ndarray  # (N,) int32 into feature, -1 = no view sees the point


@dataclass(frozen=True)
class GuidedBatch:
    """Several scans, concatenated."""

    inputs: BackboneInputs
    row: Tensor  # (T,) int64 rows of the network that have a target
    target: Tensor  # (T, C) float16, mean over the visible points of the row

    def to(self, device: torch.device | str) -> "GuidedBatch":
        """The batch on another device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class GuidedScans(Dataset[GuidedScan]):
    """Scans of the training scenes by (step, place in the batch); a pure function of the seed and these."""

    def __init__(
        self, datasets: Sequence[SampleSource], store: FeatureStore, scenes: Sequence[int], config: VlgConfig
    ) -> None:
        """scenes: numbers of the training scenes, counted over all data sets."""
        self._scenes, self._guide, self._seed = tuple(scenes), config.guide, config.seed
        self._voxel_size = np.array(config.voxel_size)
        self._order = ScanOrder(len(self._scenes), config.guide.batch_size, config.seed)
        self._read = KeptScenes(partial(_guided_scan, tuple(datasets), store, config), _bytes_of)

    def __getitem__(self, step_and_place: tuple[int, int]) -> GuidedScan:
        """The scan of one place of one step; always the same, in any process."""
        step, place = step_and_place
        guided = self._read(self._scenes[self._order.scan(step, place)])
        rng = np.random.default_rng([self._seed, 3, step, place])
        guided = _cut(guided, self._guide.max_points, rng)
        xyz_m, *others = augment_scan(guided.scan, self._guide.augment, self._guide.hue, rng)
        return replace(guided, scan=((xyz_m + self._shift_m(step)).astype(np.float32), *others))

    def _shift_m(self, step: int) -> np.ndarray:
        """(3,) shift in whole voxels, the same for all scans of a step, so that the origin of coarse voxels varies between steps."""
        if self._guide.shift_voxels == 0:
            return np.zeros(3)
        return np.random.default_rng([self._seed, 4, step]).integers(0, self._guide.shift_voxels, 3) * self._voxel_size


def collate_guided(scans: Sequence[GuidedScan], preparer: Preparer, first_point: bool = False) -> GuidedBatch:
    """Join scans; a row's target is the mean feature of its points seen by a view, or the feature of its first point."""
    inputs = preparer([one.scan for one in scans])
    ends = np.cumsum(inputs.points_per_scan)[:-1]
    parts = [
        (first_targets if first_point else row_targets)(one.feature, one.row_of_point, row)
        for one, row in zip(scans, np.split(inputs.row_of_point.numpy(), ends), strict=True)
    ]
    return GuidedBatch(
        inputs,
        torch.from_numpy(np.concatenate([rows for rows, _ in parts])),
        torch.from_numpy(np.concatenate([target for _, target in parts])),
    )


def row_targets(
    feature: np.ndarray, row_of_point: np.ndarray, network_row: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (T,) int64 of the network with a visible point, and (T, C) float16 the mean feature of their visible points.

    feature: (V, C); row_of_point: (N,) into feature, -1 = not visible; network_row: (N,) int64, -1 = in no row.
    """
    seen = (row_of_point >= 0) & (network_row >= 0)
    rows, place = np.unique(network_row[seen], return_inverse=True)
    shape = (len(rows), len(feature))
    share = 1.0 / np.bincount(place, minlength=len(rows)).astype(np.float32)
    mean = csr_matrix((share[place], (place, row_of_point[seen])), shape=shape)
    target = np.empty((len(rows), feature.shape[1]), np.float16)
    for first in range(0, feature.shape[1], _CHANNELS_AT_ONCE):
        columns = slice(first, first + _CHANNELS_AT_ONCE)
        target[:, columns] = mean @ feature[:, columns].astype(np.float32)
    return rows.astype(np.int64), target


def first_targets(
    feature: np.ndarray, row_of_point: np.ndarray, network_row: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As row_targets(), of the same shapes, but only rows whose first point is visible, with the features of these points.

    Shapes, too.
    """
    rows, first = np.unique(network_row, return_index=True)
    taken = (rows >= 0) & (row_of_point[first] >= 0)
    return rows[taken].astype(np.int64), feature[row_of_point[first[taken]]]


def _guided_scan(datasets: tuple[SampleSource, ...], store: FeatureStore, config: VlgConfig, number: int) -> GuidedScan:
    for dataset in datasets:
        if number < len(dataset):
            sample = dataset[number]
            features = store.read(sample.name)
            features.require_fits(sample)
            return GuidedScan(scan_of(sample, config), features.feature, features.row_of_point)
        number -= len(dataset)
    raise IndexError(f"scene {number}: beyond the last one")


def _bytes_of(guided: GuidedScan) -> int:
    return guided.feature.nbytes + guided.row_of_point.nbytes + sum(array.nbytes for array in guided.scan)


def _cut(guided: GuidedScan, max_points: int, rng: np.random.Generator) -> GuidedScan:
    count = len(guided.row_of_point)
    if count <= max_points:
        return guided
    kept = np.sort(rng.choice(count, max_points, replace=False))
    return GuidedScan(tuple(array[kept] for array in guided.scan), guided.feature, guided.row_of_point[kept])
