"""Which scans a pre-training step sees: a pure function of the run's seed, the step and the place among all processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from lidar_vl_core.camera_view import CameraView
from lidar_vl_core.errors import BadConfig
from lidar_vl_core.pairing import ZBuffer
from offline_training.data_sources import SampleSource
from offline_training.datasets.mixed_augment import augment_pairs
from offline_training.datasets.paired_scan import PairedScan, PictureOf, pair_scan
from offline_training.datasets.pretrain_batch import PretrainBatch, collate_pairs
from offline_training.datasets.sample import Sample
from offline_training.datasets.two_views import CloudView, TwoViewBatch, cloud_view, collate_two_views
from offline_training.networks.point_backbone import Preparer
from offline_training.pretrain_config import SUPERPIXEL_METHODS, TWO_VIEW_METHODS, WEAKLY_LABELLED, PretrainConfig
from offline_training.ranks import Ranks
from offline_training.weak_labels.label_store import NO_SEGMENT, LabelStore

PretrainScan = PairedScan | tuple[CloudView, CloudView]
_Changed = Callable[[Sample, np.random.Generator], PretrainScan]


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


class PretrainScans(Dataset[PretrainScan]):
    """Scans of several data sets, changed at random; asked for by (step, place among all processes)."""

    def __init__(self, sources: Sequence[SampleSource], order: ScanOrder, changed: _Changed) -> None:
        self._sources, self._order, self._changed = sources, order, changed
        self._end = np.cumsum([len(source) for source in sources])

    def __getitem__(self, step_and_place: tuple[int, int]) -> PretrainScan:
        """The scan of one place of one step; the same one however often and wherever it is asked for."""
        step, place = step_and_place
        number = self._order.scan(step, place)
        source = int(np.searchsorted(self._end, number, side="right"))
        sample = self._sources[source][number - (int(self._end[source - 1]) if source else 0)]
        return self._changed(sample, np.random.default_rng([self._order.seed, 2, step, place]))


def changed_scan(config: PretrainConfig, store: LabelStore | None) -> _Changed:
    """What the method of a configuration makes of a sample; picklable."""
    if config.method in TWO_VIEW_METHODS:
        return _two_views
    return partial(
        _paired,
        weak_class_of=store.read_class_id if store is not None and reads_weak_classes(config) else None,
        superpixels_of=partial(_superpixels, store) if config.method in SUPERPIXEL_METHODS else None,
        config=config,
    )


def reads_weak_classes(config: PretrainConfig) -> bool:
    """Whether the classes of the label store are needed."""
    return config.method in WEAKLY_LABELLED and config.labels == "weak"


def open_label_store(config: PretrainConfig, sources: Sequence[SampleSource]) -> LabelStore | None:
    """The store of a run that needs one; it is asked for the first picture of each source, before training begins.

    Raises BadConfig when none is named, BadRequest or BadLabels when it lacks what is needed.
    """
    reads_superpixels = config.method in SUPERPIXEL_METHODS
    if not reads_weak_classes(config) and not reads_superpixels:
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


def collate(scans: Sequence[PretrainScan], preparer: Preparer, labels: str) -> PretrainBatch | TwoViewBatch:
    """One batch of what `changed_scan` gives; labels: "truth" puts the true class of a point in place of the weak one."""
    if all(isinstance(scan, tuple) for scan in scans):
        return collate_two_views([scan for scan in scans if isinstance(scan, tuple)], preparer)
    batch = collate_pairs([scan for scan in scans if isinstance(scan, PairedScan)], preparer)
    return replace(batch, pair_class=batch.pair_true_class) if labels == "truth" else batch


def _paired(
    sample: Sample,
    rng: np.random.Generator,
    weak_class_of: PictureOf | None,
    superpixels_of: PictureOf | None,
    config: PretrainConfig,
) -> PairedScan:
    if config.method == "scalr" and sample.views:  # ScaLR looks through one camera of a scan at a time
        sample = replace(sample, views=(sample.views[int(rng.integers(len(sample.views)))],))
    occlusion = ZBuffer() if config.occlusion == "zbuffer" else None
    scan = pair_scan(sample, weak_class_of, superpixels_of, occlusion)
    return augment_pairs(scan, config.pair_augment, rng)


def _two_views(sample: Sample, rng: np.random.Generator) -> tuple[CloudView, CloudView]:
    cloud, finite = sample.cloud, sample.cloud.finite()
    xyz_m, intensity = cloud.xyz_m[finite], cloud.intensity[finite]
    return cloud_view(xyz_m, intensity, rng), cloud_view(xyz_m, intensity, rng)


def _superpixels(store: LabelStore, view: CameraView) -> np.ndarray:
    """(H, W) int32, -1 = none."""
    segment_id = store.read_superpixels(view).astype(np.int32)
    return np.where(segment_id == NO_SEGMENT, -1, segment_id)
