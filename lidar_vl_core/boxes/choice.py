"""Which boxes of a detector are told: those that can be, sure enough and near enough for their class, best first."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean


@dataclass(frozen=True)
class BoxLimits:
    """Of one class, or of all that have none of their own."""

    min_score: float = 0.0  # 0..1
    max_range_m: float = 0.0  # of the middle, from the frame's origin as seen from above; 0 = any


@dataclass(frozen=True)
class BoxRules:
    """Limits for all classes, and those of classes that have their own."""

    limits: BoxLimits = BoxLimits()
    of_class: Mapping[str, BoxLimits] = field(default_factory=dict)

    def require_classes(self, classes: ClassTable) -> None:
        """Raise BadConfig, naming the classes there are, for limits of one that the table does not have."""
        for name in self.of_class:
            if name not in classes.names:
                raise BadConfig(
                    f"classes: expected names out of {', '.join(classes.names)}, found {name!r}. Give limits to those."
                    f"{did_you_mean(name, classes.names)}"
                )


class ChosenBoxes(NamedTuple):
    """Boxes to be told, and how many no rule speaks of: they cannot be."""

    boxes: Boxes3d  # best score first
    unusable: int  # with a score or class that is none, or of no size


def chosen_boxes(boxes: Boxes3d, classes: ClassTable, rules: BoxRules) -> ChosenBoxes:
    """The boxes that rules let through, by falling score, of equal ones the earlier first; what is left of them is finite.

    Boxes with a score outside 0..1 or NaN, a class that the table lacks, or a size of 0 are dropped and counted; a
    velocity that is not finite becomes NaN, not known. Raises BadConfig as require_classes().
    """
    rules.require_classes(classes)
    scored = (boxes.score >= 0) & (boxes.score <= 1)  # false for NaN
    usable = scored & (boxes.class_id < len(classes)) & (boxes.boxes[:, 3:6] > 0).all(axis=1)
    known = boxes.taken(usable)
    limits = [rules.of_class.get(name, rules.limits) for name in classes.names]
    min_score = np.array([each.min_score for each in limits], np.float32)[known.class_id]
    max_range_m = np.array([each.max_range_m or np.inf for each in limits])[known.class_id]
    range_m = np.hypot(known.boxes[:, 0], known.boxes[:, 1])
    let_through = np.flatnonzero((known.score >= min_score) & (range_m <= max_range_m))
    told = known.taken(let_through[np.argsort(-known.score[let_through], kind="stable")])
    moves = np.isfinite(told.velocity_mps).all(axis=1, keepdims=True)
    velocity_mps = np.where(moves, told.velocity_mps, np.float32(np.nan))
    return ChosenBoxes(replace(told, velocity_mps=velocity_mps), int((~usable).sum()))
