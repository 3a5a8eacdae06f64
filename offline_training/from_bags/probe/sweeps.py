"""The sweeps that a probe asks about, with the classes that are known of their points: a person's, a vision model's, or none."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.pairing import ZBuffer
from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.views.paired_scan import pair_scan
from offline_training.weak_labels.store.label_store import LabelStore


def probed_sweeps(source: SampleSource, weak_labels: Path | None, most: int) -> Iterator[LabelledScan]:
    """At most so many sweeps of a source, evenly; points without a return are left out.

    weak_labels: a label store whose classes stand in place of the source's own, for the points that an image shows.
    """
    places = np.unique(np.linspace(0, len(source) - 1, min(most, len(source))).round().astype(int))
    for place in places:
        sample = source[int(place)]
        yield labelled_scan(sample) if weak_labels is None else _weakly_labelled(sample, weak_labels)


def _weakly_labelled(sample: Sample, weak_labels: Path) -> LabelledScan:
    stored = StoredIds(LabelStore(weak_labels), "labels", LabelStore.read_class_id)
    paired = pair_scan(sample, weak_class_of=stored, occlusion=ZBuffer())
    class_id = np.full(len(paired.xyz_m), IGNORE_ID, np.uint8)
    named = paired.weak_class != IGNORE_ID
    class_id[paired.point_index[named]] = paired.weak_class[named]
    return LabelledScan(paired.xyz_m, paired.intensity, class_id)
