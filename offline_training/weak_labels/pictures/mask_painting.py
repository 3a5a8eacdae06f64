"""Combines overlapping masks to one class per pixel."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lidar_vl_core.foundation.errors import BadLabels
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels

PaintRule = Literal["small_over_large", "paint_order"]
Uncovered = Literal[255, 0]  # no class, or the first one as in the original
_MOST_MASKS = 65535  # instance ids are uint16, 0 = none


def paint(
    masks: Sequence[np.ndarray],
    class_id: Sequence[int],
    score: Sequence[float],
    shape: tuple[int, int],
    rule: PaintRule = "small_over_large",
    uncovered: Uncovered = 255,
) -> WeakLabels:
    """Paint M masks (H, W) bool, each with a class and a score 0..1, onto one image of `shape`.

    small_over_large: a smaller mask lies over a larger one, for equal areas the one with the higher score; the order of
    the masks does not matter. paint_order with uncovered=0 does what OLIVINE's scripts do: each mask over those before
    it, and pixels under no mask become class 0. Instance ids are indices into `masks` plus 1. Raises BadLabels for
    masks of another size or lists of different lengths.
    """
    _require_one_each(masks, class_id, score, shape)
    areas = [int(np.count_nonzero(mask)) for mask in masks]
    order = list(range(len(masks)))
    if rule == "small_over_large":
        order.sort(key=lambda k: (-areas[k], score[k], -class_id[k]))
    painted = WeakLabels(np.full(shape, uncovered, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.uint16))
    for k in order:
        painted.class_id[masks[k]] = class_id[k]
        painted.score[masks[k]] = round(255 * min(max(float(score[k]), 0.0), 1.0))
        painted.instance_id[masks[k]] = k + 1
    return painted


def _require_one_each(
    masks: Sequence[np.ndarray], class_id: Sequence[int], score: Sequence[float], shape: tuple[int, int]
) -> None:
    if not len(masks) == len(class_id) == len(score) <= _MOST_MASKS:
        raise BadLabels(
            f"masks: expected one class and one score for each of at most {_MOST_MASKS} masks, found {len(masks)} masks, "
            f"{len(class_id)} classes, {len(score)} scores. Fix the labeler."
        )
    if not np.isfinite(np.asarray(score, np.float64)).all():
        raise BadLabels(f"scores: expected finite numbers, found {list(score)[:8]}. The model's answer is unusable.")
    for mask in masks:
        if mask.shape != shape or mask.dtype != np.bool_:
            raise BadLabels(
                f"mask: expected {shape} bool, the image's size, found {mask.shape} {mask.dtype}. Fix the labeler."
            )
