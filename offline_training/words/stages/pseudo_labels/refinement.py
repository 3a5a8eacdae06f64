"""What is taken from and added to the labels of a scene before anything learns from them.

In the order of DBGroup (AAAI 2026) and of arXiv 2510.17875: first unsure labels go, class by class, then segments of the scene
say what fits. Between rounds of self-training labels that are there may stay and the new ones fill what is free.
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
    """Takes away the labels of scenes that are not sure enough, class by class."""

    def __init__(
        self,
        keep_fraction: float,
        class_quantile: float | None,
        classes: int,
        scenes: Callable[[], Iterable[PseudoLabels]],
    ) -> None:
        """scenes: the labels of all scenes, which are asked for once, when a class's threshold is needed first."""
        self._keep_fraction, self._quantile, self._classes, self._scenes = (
            keep_fraction,
            class_quantile,
            classes,
            scenes,
        )
        self._thresholds: np.ndarray | None = None

    def of(self, labels: PseudoLabels) -> PseudoLabels:
        """The sure ones of a scene; every point keeps its probability."""
        class_id = labels.class_id
        if self._quantile is not None:
            if self._thresholds is None:
                self._thresholds = class_thresholds(self._scenes(), self._classes, self._quantile)
            class_id = above_thresholds(labels, self._thresholds)
        return PseudoLabels(keep_surest(class_id, labels.probability, self._keep_fraction), labels.probability)


def refined(sample: Sample, visible: np.ndarray, sure: PseudoLabels, config: VlgConfig) -> PseudoLabels:
    """Sure labels held against segments, as configured.

    visible: (N,) bool, points that some view sees; no other gets a label.
    """
    class_id = sure.class_id
    if config.pseudo.spread != "none":
        class_id = segment_majority(sample, class_id, config, len(config.words.class_table))
        class_id = np.where(visible, class_id, np.uint8(IGNORE_ID))
    return PseudoLabels(class_id, np.where(class_id == IGNORE_ID, np.float16(0.0), sure.probability))


def filled(labels: PseudoLabels, new: PseudoLabels) -> PseudoLabels:
    """Labels as they are, and where there are none the new ones."""
    free = labels.class_id == IGNORE_ID
    return PseudoLabels(
        np.where(free, new.class_id, labels.class_id), np.where(free, new.probability, labels.probability)
    )
