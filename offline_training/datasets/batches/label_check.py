"""Whether data have labels at all: looked at before a training that would learn nothing, or a measurement that would tell nothing."""

import logging

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource

_LOOKED_AT = 8  # scans, evenly over all
_log = logging.getLogger(__name__)


def require_labels(dataset: SampleSource, title: str) -> None:
    """Raise BadLabels where no scan that is looked at has a labelled point, and warn where some have none.

    title: of the data set, for the message.
    """
    places = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).round()).astype(int)
    without = [sample.name for sample in (dataset[int(place)] for place in places) if not _has_label(sample)]
    if len(without) == len(places):
        raise BadLabels(
            f"{title}: expected labelled points, found none in {len(places)} of {len(dataset)} scans, {without[0]} first: no "
            "labels there, or every one is ignored (255). Name data with labels, and the class table and split that they are of."
        )
    if without:
        _log.warning(
            "%s: %d of %d scans looked at have no labelled point, %s first: nothing is learnt from such scans",
            title, len(without), len(places), without[0],
        )  # fmt: skip


def _has_label(sample: Sample) -> bool:
    return sample.class_id is not None and bool((sample.class_id != IGNORE_ID).any())
