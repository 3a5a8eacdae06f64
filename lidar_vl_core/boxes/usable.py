"""Boxes that can be published: all numbers finite, with a class and a size, best first."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable


class UsableBoxes(NamedTuple):
    """Boxes, and how many were left out."""

    boxes: Boxes3d
    left_out: int


def usable_boxes(boxes: Boxes3d, classes: ClassTable) -> UsableBoxes:
    """The boxes by descending score (of equal ones the earlier first), without those that cannot be published.

    Left out are boxes with a score outside 0..1 or NaN, a class that the table lacks, or a size of 0. A velocity that is
    not finite becomes NaN: not known.
    """
    scored = (boxes.score >= 0) & (boxes.score <= 1)  # false for NaN
    usable = np.flatnonzero(scored & (boxes.class_id < len(classes)) & (boxes.boxes[:, 3:6] > 0).all(axis=1))
    told = boxes.taken(usable[np.argsort(-boxes.score[usable], kind="stable")])
    moves = np.isfinite(told.velocity_mps).all(axis=1, keepdims=True)
    velocity_mps = np.where(moves, told.velocity_mps, np.float32(np.nan))
    return UsableBoxes(replace(told, velocity_mps=velocity_mps), len(boxes) - len(usable))
