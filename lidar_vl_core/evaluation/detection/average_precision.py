"""Average precision of boxes by class, for any data: matched by the distance of centres, as nuScenes does, or by IoU from above.

The area below the curve is nuScenes' for both: recall and precision above 10 %.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.class_matches import ClassMatches
from lidar_vl_core.evaluation.detection.judged_boxes import require_judgeable, require_one_frame
from lidar_vl_core.evaluation.detection.matching import centre_distance_m, greedy_matches


@dataclass(frozen=True)
class MatchRule:
    """When a prediction stands for a true box."""

    name: str
    limits: tuple[float, ...]  # every one gives an average precision
    cost: Callable[[np.ndarray, np.ndarray], np.ndarray]  # of boxes (P, 7) and (T, 7): (P, T), low is alike
    highest_cost: Callable[[float], float]  # that a limit allows, itself not included


BY_CENTRE = MatchRule("centre_distance_m", (0.5, 1.0, 2.0, 4.0), centre_distance_m, lambda limit_m: limit_m)
BY_BEV_IOU = MatchRule("bev_iou", (0.3, 0.5, 0.7), lambda found, truth: -bev_iou(found, truth), lambda limit: -limit)


@dataclass(frozen=True)
class ClassPrecision:
    """One class over all frames."""

    name: str
    truth_count: int
    found_count: int
    by_limit: dict[float, float]  # limit of the rule -> average precision; NaN where the truth has none of this class

    @property
    def average_precision(self) -> float:
        """The mean over the limits; NaN where the truth has none of this class."""
        return float(np.mean(list(self.by_limit.values())))


class AveragePrecision:
    """Sums over frames; boxes of no class (255) are neither expected nor wrong."""

    def __init__(self, classes: ClassTable, rule: MatchRule = BY_CENTRE) -> None:
        self._classes = classes
        self._rule = rule
        self._matches = [ClassMatches(len(rule.limits)) for _ in classes.names]
        self._frames = 0

    def add(self, truth: Boxes3d, found: Boxes3d) -> None:
        """Count one frame. Raises BadBoxes for unknown classes, scores outside 0..1, or boxes in two frames of reference."""
        require_judgeable(truth, self._classes)
        require_judgeable(found, self._classes)
        require_one_frame(truth, found)
        limits = np.array([self._rule.highest_cost(limit) for limit in self._rule.limits])
        for class_id, matches in enumerate(self._matches):
            theirs, ours = truth.taken(truth.class_id == class_id), found.taken(found.class_id == class_id)
            pairs = greedy_matches(self._rule.cost(ours.boxes, theirs.boxes), ours.score, limits)
            matches.add(len(theirs), ours.score, pairs >= 0)
        self._frames += 1

    def classes(self) -> list[ClassPrecision]:
        """Every class of the table."""
        return [
            ClassPrecision(
                name,
                matches.truth_count,
                matches.found_count,
                {
                    limit: curve.average_precision() if matches.truth_count else float("nan")
                    for limit, curve in zip(self._rule.limits, matches.curves(), strict=True)
                },
            )
            for name, matches in zip(self._classes.names, self._matches, strict=True)
        ]

    def mean(self) -> float:
        """mAP over the classes that the truth has; NaN when it has none."""
        values = [of_class.average_precision for of_class in self.classes() if of_class.truth_count]
        return float(np.mean(values)) if values else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: frames, matched_by, mean_ap and classes with truth, found, ap and ap_at; null where there is no truth."""
        return {
            "frames": self._frames,
            "matched_by": self._rule.name,
            "mean_ap": _null_for_nan(self.mean()),
            "classes": {
                each.name: {
                    "truth": each.truth_count,
                    "found": each.found_count,
                    "ap": _null_for_nan(each.average_precision),
                    "ap_at": {str(limit): _null_for_nan(value) for limit, value in each.by_limit.items()},
                }
                for each in self.classes()
            },
        }


def _null_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
