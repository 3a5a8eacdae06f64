"""Removes and adds labels of a scene before anything learns from them.

In the order of DBGroup (AAAI 2026) and of arXiv 2510.17875: first uncertain labels are removed, class by class, then
the scene's segments vote. Between rounds of self-training, existing labels may stay and new ones fill the gaps.
"""

from collections.abc import Callable, Iterable

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.base.sample import Sample
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.class_choice import keep_surest
from offline_training.words.stages.pseudo_labels.class_thresholds import above_thresholds, class_thresholds
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels
from offline_training.words.stages.pseudo_labels.segment_majority import segment_majority


class SureLabels:
    """Removes uncertain labels of scenes, class by class."""

    def __init__(
        self,
        keep_fraction: float,
        class_quantile: float | None,
        classes: int,
        scenes: Callable[[], Iterable[PseudoLabels]],
    ) -> None:
        """scenes: the labels of all scenes, read once, when a class threshold is first needed."""
        self._keep_fraction, self._quantile, self._classes, self._scenes = (
            keep_fraction,
            class_quantile,
            classes,
            scenes,
        )
        self._thresholds: np.ndarray | None = None

    def of(self, labels: PseudoLabels) -> PseudoLabels:
        """The confident labels of a scene; every point keeps its probability."""
        class_id = labels.class_id
        if self._quantile is not None:
            if self._thresholds is None:
                self._thresholds = class_thresholds(self._scenes(), self._classes, self._quantile)
            class_id = above_thresholds(labels, self._thresholds)
        return PseudoLabels(keep_surest(class_id, labels.probability, self._keep_fraction), labels.probability)


def refined(sample: Sample, visible: np.ndarray, sure: PseudoLabels, config: VlgConfig) -> PseudoLabels:
    """Confident labels corrected by segments, as configured. visible: (N,) bool, points seen by a view; only these get labels."""
    class_id = sure.class_id
    if config.pseudo.spread != "none":
        class_id = segment_majority(sample, class_id, config, len(config.words.class_table))
        class_id = np.where(visible, class_id, np.uint8(IGNORE_ID))
    return PseudoLabels(class_id, np.where(class_id == IGNORE_ID, np.float16(0.0), sure.probability))


def filled(labels: PseudoLabels, new: PseudoLabels) -> PseudoLabels:
    """The existing labels, and new ones for points without a label."""
    free = labels.class_id == IGNORE_ID
    return PseudoLabels(
        np.where(free, new.class_id, labels.class_id), np.where(free, new.probability, labels.probability)
    )
