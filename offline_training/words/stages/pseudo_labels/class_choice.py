"""A class for every row of features: by best prompt, without absent classes; sinks become no answer."""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.words.text_table import TextTable

_BLOCK_ROWS = 8192
_UNIT_LENGTH = 1.01  # a mean of unit rows is at most 1 long; half precision adds a little


def class_scores(feature: np.ndarray, table: TextTable) -> np.ndarray:
    """(V, K) float32 dot products of unnormalised features (V, C) with the best prompt of each class; sinks last."""
    scores = np.empty((len(feature), len(table.names)), np.float32)
    for first in range(0, len(feature), _BLOCK_ROWS):
        rows = feature[first : first + _BLOCK_ROWS].astype(np.float32)
        of_prompt = rows @ table.embeddings.T
        scores[first : first + len(rows)] = np.maximum.reduceat(of_prompt, table.first_prompt, axis=1)
    return scores


def choose_classes(
    scores: np.ndarray, is_sink: np.ndarray, allowed: np.ndarray, logit_scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Class and probability of each row, as in stage 1 of 3DSS-VLG: softmax over all classes, then the best one present.

    scores: (M, K), sinks last; is_sink: (K,); allowed: (1, K') or (M, K') bool over the classes other than sinks. The
    probability is over all classes and sinks, absent or not. Returns (M,) uint8 and (M,) float16; 255 and 0 for a sink,
    for rows without an allowed class, and for rows that are all zero or not finite.
    """
    sinks = np.ones((len(allowed), int(is_sink.sum())), bool)  # class lists do not contain sinks
    possible = np.broadcast_to(np.concatenate([allowed, sinks], axis=1), scores.shape)
    best = np.where(possible, scores, -np.inf).argmax(axis=1)
    usable = np.isfinite(scores).all(axis=1) & scores.any(axis=1) & ~is_sink[best]
    usable &= np.take_along_axis(possible, best[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        share = np.exp(logit_scale * (scores - scores.max(axis=1, keepdims=True, initial=-np.inf)))
        probability = np.take_along_axis(share, best[:, None], axis=1)[:, 0] / share.sum(axis=1)
    return (
        np.where(usable, best, IGNORE_ID).astype(np.uint8),
        np.where(usable, probability, 0.0).astype(np.float16),
    )


def scale_of_logits(given: float | None, feature: np.ndarray, model_scale: float) -> float:
    """Scale of dot products: `given`, or 1 for features longer than unit length, like OpenSeg's; else the model's.

    feature: (V, C) of one scene. Features of unit length give dot products within -1..1, from which a softmax learns
    almost nothing without the model's scale.
    """
    if given is not None:
        return given
    if len(feature) == 0:
        return model_scale
    length = float(np.median(np.linalg.norm(feature.astype(np.float32), axis=1)))
    return model_scale if length <= _UNIT_LENGTH else 1.0


def keep_surest(class_id: np.ndarray, probability: np.ndarray, share: float) -> np.ndarray:
    """(N,) class ids with 255 for all but the most confident `share` of each class's points, at least one; earlier points win ties."""
    kept = class_id.copy()
    if share == 1.0:
        return kept
    for one_class in np.unique(class_id[class_id != IGNORE_ID]):
        points = np.flatnonzero(class_id == one_class)
        count = max(1, round(share * len(points)))
        order = np.argsort(-probability[points].astype(np.float32), kind="stable")
        kept[points[order[count:]]] = IGNORE_ID
    return kept
