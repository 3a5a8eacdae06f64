"""Which scans a pre-training step sees: a pure function of the run's seed, the step and the place among all processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from lidar_vl_core.cameras.pairing import ZBuffer
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.data_sources import SampleSource
from offline_training.networks.point_backbone import Preparer
from offline_training.pretraining.config import SUPERPIXEL_METHODS, TWO_VIEW_METHODS, WEAKLY_LABELLED, PretrainConfig
from offline_training.pretraining.views.pair_augment import PairAugmentConfig, augment_pairs
from offline_training.pretraining.views.pair_cache import PairCache
from offline_training.pretraining.views.paired_scan import PairedScan, pair_scan
from offline_training.pretraining.views.posed_source import PosedSource, neighbour
from offline_training.pretraining.views.pretrain_batch import PretrainBatch, collate_pairs
from offline_training.pretraining.views.temporal_segments import paired_moments
from offline_training.pretraining.views.two_views import (
    CloudView,
    TwoViewBatch,
    cloud_view,
    collate_two_views,
    overlapping_views,
)
from offline_training.runs.ranks import Ranks
from offline_training.weak_labels.store.label_store import NO_SEGMENT, LabelStore

_OneOrTwo = PairedScan | tuple[PairedScan, PairedScan] | tuple[CloudView, CloudView]  # by the method
_Paired = Callable[[Sample], PairedScan]
_Drawn = Callable[[SampleSource, int, np.random.Generator], _OneOrTwo]


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


class PretrainScans(Dataset[_OneOrTwo]):
    """Scans of several data sets, changed at random; asked for by (step, place among all processes)."""

    def __init__(self, sources: Sequence[SampleSource], order: ScanOrder, drawn: _Drawn) -> None:
        self._sources, self._order, self._drawn = sources, order, drawn
        self._end = np.cumsum([len(source) for source in sources])

    def __getitem__(self, step_and_place: tuple[int, int]) -> _OneOrTwo:
        """The scan of one place of one step; the same one however often and wherever it is asked for."""
        step, place = step_and_place
        number = self._order.scan(step, place)
        source = int(np.searchsorted(self._end, number, side="right"))
        index = number - (int(self._end[source - 1]) if source else 0)
        return self._drawn(self._sources[source], index, np.random.default_rng([self._order.seed, 2, step, place]))


def drawn_scan(config: PretrainConfig, store: LabelStore | None) -> _Drawn:
    """What the method of a configuration makes of a sample of a source; picklable."""
    if config.method == "pointcontrast":
        return _two_sweeps
    if config.method == "depthcontrast":
        return _two_crops
    reads_superpixels = config.method in SUPERPIXEL_METHODS
    paired: _Paired = partial(
        pair_scan,
        weak_class_of=None if store is None or reads_superpixels else store.read_class_id,
        superpixels_of=None if store is None or not reads_superpixels else partial(_superpixels, store),
        occlusion=ZBuffer() if config.occlusion == "zbuffer" else None,
        max_image_width=config.max_image_width,
    )
    if config.method == "seal":
        return partial(_two_moments, paired=paired, augmentation=config.pair_augment)
    if config.method == "scalr":
        return partial(_one_camera, paired=paired, augmentation=config.pair_augment)
    if config.pair_cache is not None:
        paired = partial(
            _kept, paired=paired, cache=PairCache(Path(config.pair_cache), _pairing_identity(config, store))
        )
    return partial(_one_scan, paired=paired, augmentation=config.pair_augment)


def open_label_store(config: PretrainConfig, sources: Sequence[SampleSource]) -> LabelStore | None:
    """The store of a run that needs one; it is asked for the first picture of each source, before training begins.

    Raises BadConfig when none is named, BadRequest or BadLabels when it lacks what is needed.
    """
    reads_superpixels = config.method in SUPERPIXEL_METHODS
    if not reads_superpixels and not (config.method in WEAKLY_LABELLED and config.labels == "weak"):
        return None
    if config.weak_labels is None:
        raise BadConfig(
            f"weak_labels: expected the folder of a label store for method {config.method}, found none. Make one with "
            "`lidar-vl-train weak-label` and give its folder."
        )
    store = LabelStore(Path(config.weak_labels))
    read = store.read_superpixels if reads_superpixels else store.read_class_id
    for source in sources:
        for view in source[0].views[:1]:
            read(view)
    return store


def places(first_step: int, end_step: int, batch_size: int, ranks: Ranks) -> list[list[tuple[int, int]]]:
    """For each step what this process reads: (step, place among all processes)."""
    mine = range(ranks.rank * batch_size, (ranks.rank + 1) * batch_size)
    return [[(step, place) for place in mine] for step in range(first_step, end_step)]


def collate_for(config: PretrainConfig, preparer: Preparer) -> Callable[[Any], PretrainBatch | TwoViewBatch]:
    """What makes a batch of what `drawn_scan` gives; picklable."""
    if config.method in TWO_VIEW_METHODS:
        return partial(collate_two_views, preparer=preparer)
    if config.method == "seal":
        return partial(_collate_moments, preparer=preparer)
    return partial(_collate_scans, preparer=preparer, with_truth=config.labels == "truth")


def _collate_moments(places: Sequence[tuple[PairedScan, PairedScan]], preparer: Preparer) -> PretrainBatch:
    return collate_pairs([scan for moments in places for scan in moments], preparer, scans_per_sample=2)


def _collate_scans(scans: Sequence[PairedScan], preparer: Preparer, with_truth: bool) -> PretrainBatch:
    """with_truth: the true class of a point stands in for the weak one."""
    batch = collate_pairs(scans, preparer)
    return replace(batch, pair_class=batch.pair_true_class) if with_truth else batch


def _kept(sample: Sample, paired: _Paired, cache: PairCache) -> PairedScan:
    return cache.scan(sample.name, partial(paired, sample))


def _pairing_identity(config: PretrainConfig, store: LabelStore | None) -> dict[str, Any]:
    """All that decides over a paired scan besides its sample."""
    content = config.model_dump(mode="json", include={"train", "classes", "occlusion", "max_image_width"})
    is_read = ("superpixels" if config.method in SUPERPIXEL_METHODS else "labels") if store is not None else None
    return {**content, "ids": None if store is None else (store.folder / f"{is_read}.json").read_text()}


def _one_scan(
    source: SampleSource, index: int, rng: np.random.Generator, paired: _Paired, augmentation: PairAugmentConfig
) -> PairedScan:
    return augment_pairs(paired(source[index]), augmentation, rng)


def _one_camera(
    source: SampleSource, index: int, rng: np.random.Generator, paired: _Paired, augmentation: PairAugmentConfig
) -> PairedScan:
    """ScaLR looks through one camera of a scan at a time."""
    sample = source[index]
    if sample.views:
        sample = replace(sample, views=(sample.views[int(rng.integers(len(sample.views)))],))
    return augment_pairs(paired(sample), augmentation, rng)


def _two_moments(
    source: SampleSource, index: int, rng: np.random.Generator, paired: _Paired, augmentation: PairAugmentConfig
) -> tuple[PairedScan, PairedScan]:
    """Seal compares segments over time; where a source has no poses, with the same sweep changed in another way."""
    other = neighbour(source, index) if isinstance(source, PosedSource) else None
    now, then = paired_moments(source[index], other, paired, rng)
    return augment_pairs(now, augmentation, rng), augment_pairs(then, augmentation, rng)


def _two_sweeps(source: SampleSource, index: int, rng: np.random.Generator) -> tuple[CloudView, CloudView]:
    """A sweep and the one beside it; where a source has no poses, or a drive no other sweep, two crops of the sweep."""
    other = neighbour(source, index) if isinstance(source, PosedSource) else None
    if other is None:
        return _two_crops(source, index, rng)
    here, there = _cloud(source[index]), _cloud(other.sample)
    return overlapping_views(*here, *there, other.T_here_there, rng)


def _two_crops(source: SampleSource, index: int, rng: np.random.Generator) -> tuple[CloudView, CloudView]:
    cloud = _cloud(source[index])
    return cloud_view(*cloud, rng), cloud_view(*cloud, rng)


def _cloud(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """xyz_m and intensity of the finite points."""
    finite = sample.cloud.finite()
    return sample.cloud.xyz_m[finite], sample.cloud.intensity[finite]


def _superpixels(store: LabelStore, view: CameraView) -> np.ndarray:
    """(H, W) int32, -1 = none."""
    segment_id = store.read_superpixels(view).astype(np.int32)
    return np.where(segment_id == NO_SEGMENT, -1, segment_id)
