"""Average precision of boxes by class, for any data: matched by the distance of centres, as nuScenes does, or by IoU from above.

The area below the curve is nuScenes' for both: recall and precision above 10 %. Centres say nothing of how a box lies, so the
angles between matched boxes are told beside it.
"""

import math
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
    """When a prediction matches a true box."""

    name: str
    limits: tuple[float, ...]  # every one gives an average precision
    cost: Callable[[np.ndarray, np.ndarray], np.ndarray]  # of boxes (P, 7) and (T, 7): (P, T), low is alike
    highest_cost: Callable[[float], float]  # that a limit allows, itself not included
    angles_at: int  # number of the limit whose matches are asked for their angles


BY_CENTRE = MatchRule("centre_distance_m", (0.5, 1.0, 2.0, 4.0), centre_distance_m, lambda limit_m: limit_m, 2)
BY_BEV_IOU = MatchRule("bev_iou", (0.3, 0.5, 0.7), lambda found, truth: -bev_iou(found, truth), lambda limit: -limit, 1)


@dataclass(frozen=True)
class ClassPrecision:
    """One class over all frames."""

    name: str
    truth_count: int
    found_count: int
    by_limit: dict[float, float]  # limit of the rule -> average precision; NaN where the truth has none of this class
    axis_error_rad: float  # median over matches of the angle between the axes, 0 to pi/2; NaN without matches
    heading_error_rad: float  # of that between the headings, 0 to pi

    @property
    def average_precision(self) -> float:
        """The mean over the limits; NaN where the truth has none of this class."""
        return float(np.mean(list(self.by_limit.values())))


class AveragePrecision:
    """Sums over frames; boxes without a class (255) count neither as missed nor as wrong."""

    def __init__(self, classes: ClassTable, rule: MatchRule = BY_CENTRE) -> None:
        self._classes = classes
        self._rule = rule
        self._matches = [ClassMatches(len(rule.limits), errors=2) for _ in classes.names]
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
            angles = _angles_rad(ours.boxes, theirs.boxes, pairs[self._rule.angles_at])
            matches.add(len(theirs), ours.score, pairs >= 0, angles)
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
                *_medians(matches.ranked()[2]),
            )
            for name, matches in zip(self._classes.names, self._matches, strict=True)
        ]

    def mean(self) -> float:
        """mAP over the classes that the truth has; NaN when it has none."""
        values = [of_class.average_precision for of_class in self.classes() if of_class.truth_count]
        return float(np.mean(values)) if values else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: frames, matched_by, mean_ap and classes with truth, found, ap, ap_at and angles in degrees.

        null where there is no truth, or no match to measure an angle at.
        """
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
                    "axis_error_deg": _null_for_nan(math.degrees(each.axis_error_rad)),
                    "heading_error_deg": _null_for_nan(math.degrees(each.heading_error_rad)),
                }
                for each in self.classes()
            },
        }


def _angles_rad(found: np.ndarray, truth: np.ndarray, match: np.ndarray) -> np.ndarray:
    """(P, 2) angles between the axes, and between the headings, of predictions and the true boxes they match; NaN without."""
    angles = np.full((len(found), 2), np.nan)
    hit = match >= 0
    turn = found[hit, 6] - truth[match[hit], 6]
    heading = np.abs((turn + np.pi) % (2 * np.pi) - np.pi)
    angles[hit] = np.column_stack([np.minimum(heading, np.pi - heading), heading])
    return angles


def _medians(angles_rad: np.ndarray) -> tuple[float, float]:
    known = angles_rad[~np.isnan(angles_rad).any(axis=1)]
    axis, heading = np.median(known, axis=0) if len(known) else (np.nan, np.nan)
    return float(axis), float(heading)


def _null_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
