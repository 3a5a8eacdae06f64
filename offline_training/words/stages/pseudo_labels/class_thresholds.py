"""Class-aware refinement: a threshold of probability for each class, from the points of all training scenes.

The abstract of arXiv 2510.17875 (3D Weakly Supervised Semantic Segmentation via Class-Aware and Geometry-Guided
Pseudo-Label Refinement) has a class-aware refinement that makes labels "more balanced and accurate" for every class;
its full text, which says how, was not available to us. Our reading: each class's threshold is one quantile of its own
probabilities, so that common and rare, confident and uncertain classes are thinned alike. Unlike with the most
confident share of each scene (DBGroup, AAAI 2026), a scene without confident labels of a class keeps none of it.
"""

from collections.abc import Iterable

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels

_LEVELS = 0x3C00 + 1  # half-precision numbers from 0 to 1, whose bit patterns have the same order


def class_thresholds(scenes: Iterable[PseudoLabels], classes: int, quantile: float) -> np.ndarray:
    """(classes,) float16: of each class's n probabilities, sorted, the one at floor(quantile n); 0 for a class without points.

    At least n - floor(quantile n) of its points reach it. Scenes are read one at a time and not kept.
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
