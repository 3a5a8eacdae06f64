"""Class-aware refinement: a threshold of probability for each class, from the points of all training scenes.

The abstract of arXiv 2510.17875 (3D Weakly Supervised Semantic Segmentation via Class-Aware and Geometry-Guided Pseudo-Label
Refinement) has a class-aware refinement that makes labels "more balanced and accurate" for every class; how, stands in a text
that was not to be had. Our reading: each class's threshold is one quantile of its own probabilities, so that common and rare
classes, sure and unsure ones are thinned alike. Unlike the surest share of each scene (DBGroup, AAAI 2026) a scene in which a
class is nowhere sure keeps none of it.
"""

from collections.abc import Iterable

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels

_LEVELS = 0x3C00 + 1  # numbers of half precision from 0 to 1, whose bit patterns are in their order


def class_thresholds(scenes: Iterable[PseudoLabels], classes: int, quantile: float) -> np.ndarray:
    """(classes,) float16: of each class's n probabilities, sorted, the one at floor(quantile n); 0 for a class without any.

    At least n - floor(quantile n) of its points reach it. The scenes are read one after the other and none is kept.
    """
    counts = np.zeros(classes * _LEVELS, np.int64)
    for labels in scenes:
        has = labels.class_id != IGNORE_ID
        level = np.ascontiguousarray(labels.probability[has], np.float16).view(np.uint16)
        counts += np.bincount(labels.class_id[has].astype(np.int64) * _LEVELS + level, minlength=len(counts))
    up_to = counts.reshape(classes, _LEVELS).cumsum(axis=1)
    place = np.floor(quantile * up_to[:, -1]).astype(np.int64)
    level = (up_to > place[:, None]).argmax(axis=1)
    return level.astype(np.uint16).view(np.float16)


def above_thresholds(labels: PseudoLabels, thresholds: np.ndarray) -> np.ndarray:
    """(N,) class ids with 255 for points whose probability is below their class's threshold. thresholds: (K,) float16."""
    limit = np.append(thresholds, np.float16(0.0))[np.minimum(labels.class_id, len(thresholds))]
    return np.where(labels.probability >= limit, labels.class_id, np.uint8(IGNORE_ID))
