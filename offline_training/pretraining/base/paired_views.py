"""Samples for methods with images: a scan's point-pixel pairs as configured, augmented."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.cameras.pairing import ZBuffer
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.networks.base.point_backbone import Preparer
from offline_training.pretraining.base.config import PairCacheConfig, PictureConfig
from offline_training.pretraining.base.method import Views
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.views.pair_augment import PairAugmentConfig, augment_pairs
from offline_training.pretraining.views.pair_cache import PairCache
from offline_training.pretraining.views.paired_scan import PairedScan, pair_scan
from offline_training.pretraining.views.picture_cache import PictureCache, decoded
from offline_training.pretraining.views.pretrain_batch import PretrainBatch, collate_pairs

Paired = Callable[[Sample], PairedScan]
Augmented = Callable[[PairedScan, np.random.Generator], PairedScan]
WithClasses = Callable[[PairedScan, str], PairedScan]  # a scan and its sample's name


def pairing(
    config: PictureConfig, weak_class_of: StoredIds | None = None, superpixels_of: StoredIds | None = None
) -> Paired:
    """The function that turns a sample into a paired scan; picklable."""
    return partial(
        pair_scan,
        weak_class_of=weak_class_of,
        superpixels_of=superpixels_of,
        occlusion=ZBuffer() if config.occlusion == "zbuffer" else None,
        max_image_width=config.max_image_width,
        pixel=config.pixel,
        picture_at=decoded if config.image_cache is None else PictureCache(Path(config.image_cache)),
    )


def one_scan(
    config: PairCacheConfig,
    weak_class_of: StoredIds | None = None,
    superpixels_of: StoredIds | None = None,
    with_classes: WithClasses | None = None,
) -> Views:
    """Views of a scan with all its cameras, from the cache if there is one; picklable.

    with_classes: replaces the classes of the pairs before augmentation.
    """
    paired = pairing(config, weak_class_of, superpixels_of)
    if config.pair_cache is not None:
        cache = PairCache(Path(config.pair_cache), _pairing_identity(config, weak_class_of or superpixels_of))
        paired = partial(_kept, paired=paired, cache=cache)
    return partial(_one_scan, paired=paired, with_classes=with_classes, augmented=augmentation(config))


def augmentation(config: PictureConfig) -> Augmented:
    """The configured augmentation; picklable."""
    return partial(_augmented, config=config.pair_augment, sensor_height_m=config.sensor_height_m)


def scan_with_superpixels(config: PairCacheConfig, ids: StoredIds | None) -> Views:
    """Views of a scan with all its cameras and their superpixels; picklable."""
    return one_scan(config, superpixels_of=ids)


def collate_scans(config: PictureConfig, preparer: Preparer) -> Callable[[Sequence[PairedScan]], PretrainBatch]:
    """The function that collates scans to a batch; picklable."""
    return partial(collate_pairs, preparer=preparer)


def _one_scan(
    source: SampleSource,
    index: int,
    rng: np.random.Generator,
    paired: Paired,
    with_classes: WithClasses | None,
    augmented: Augmented,
) -> PairedScan:
    sample = source[index]
    scan = paired(sample)
    return augmented(scan if with_classes is None else with_classes(scan, sample.name), rng)


def _augmented(
    scan: PairedScan, rng: np.random.Generator, config: PairAugmentConfig, sensor_height_m: float
) -> PairedScan:
    return augment_pairs(scan, config, rng, sensor_height_m)


def _kept(sample: Sample, paired: Paired, cache: PairCache) -> PairedScan:
    key = f"{sample.name} {sample.cloud.stamp_ns} {len(sample.cloud)}"  # two data sets may have samples of one name
    return cache.scan(key, partial(paired, sample))


def _pairing_identity(config: PairCacheConfig, ids: StoredIds | None) -> dict[str, Any]:
    """Everything that determines a paired scan besides its sample."""
    content = config.model_dump(mode="json", include={"train", "classes", "occlusion", "max_image_width", "pixel"})
    return {**content, "ids": None if ids is None else ids.identity()}
