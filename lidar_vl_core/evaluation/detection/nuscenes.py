"""nuScenes' detection scores: mAP over centre distances, five true positive errors, and the NDS made of them.

Source: Caesar et al. 2020, nuScenes, section 3.1, equations 1 to 3; the settings are those of its 2019 challenge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.class_matches import ClassMatches
from lidar_vl_core.evaluation.detection.judged_boxes import require_judgeable, require_one_frame
from lidar_vl_core.evaluation.detection.matching import centre_distance_m, greedy_matches
from lidar_vl_core.evaluation.detection.nuscenes_frame import RANGE_M, NuscenesFrame
from lidar_vl_core.evaluation.detection.precision_curve import PrecisionCurve
from lidar_vl_core.foundation.errors import BadLabels

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
ERRORS = ("translation_m", "scale", "orientation_rad", "velocity_mps", "attribute")
_ERRORS_AT = 2  # of DISTANCES_M: errors are those of matches within 2 m
_AP_WEIGHT = 5
_NOT_JUDGED = {
    "traffic_cone": ("orientation_rad", "velocity_mps", "attribute"),
    "barrier": ("velocity_mps", "attribute"),
}


@dataclass(frozen=True)
class NuscenesScores:
    """The scores over all ten classes; a class without true boxes has AP 0 and errors 1, as in the benchmark."""

    truth_count: Mapping[str, int]  # true boxes that count, by class
    average_precision: Mapping[str, Mapping[float, float]]  # class -> centre distance in metres -> AP
    errors: Mapping[str, Mapping[str, float]]  # class -> error -> its mean over true positives; NaN where not judged

    @property
    def class_ap(self) -> dict[str, float]:
        """AP of every class: the mean over the four distances."""
        return {
            name: float(np.mean(list(by_distance.values()))) for name, by_distance in self.average_precision.items()
        }

    @property
    def mean_ap(self) -> float:
        """mAP: the mean of class_ap."""
        return float(np.mean(list(self.class_ap.values())))

    @property
    def mean_errors(self) -> dict[str, float]:
        """mATE, mASE, mAOE, mAVE, mAAE: means over the classes that are judged by them."""
        return {error: float(np.nanmean([of_class[error] for of_class in self.errors.values()])) for error in ERRORS}

    @property
    def nds(self) -> float:
        """nuScenes detection score: mAP five times and 1 - min(1, error) of each error, averaged."""
        kept = sum(max(0.0, 1.0 - error) for error in self.mean_errors.values())
        return (_AP_WEIGHT * self.mean_ap + kept) / (_AP_WEIGHT + len(ERRORS))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: nds, mean_ap, mean_errors and classes with truth, ap, ap_by_distance_m, errors (null: not judged)."""
        return {
            "nds": self.nds,
            "mean_ap": self.mean_ap,
            "mean_errors": self.mean_errors,
            "classes": {
                name: {
                    "truth": self.truth_count[name],
                    "ap": ap,
                    "ap_by_distance_m": {str(limit): value for limit, value in self.average_precision[name].items()},
                    "errors": {key: None if np.isnan(value) else value for key, value in self.errors[name].items()},
                }
                for name, ap in self.class_ap.items()
            },
        }


class NuscenesDetection:
    """Gathers the matches of frames. Frames of equal scores rank as they were added: give them in the split's order."""

    def __init__(self, classes: ClassTable) -> None:
        """classes: the table of the boxes' class_id. Raises BadLabels for a name that is not one of nuScenes' ten classes."""
        unknown = [name for name in classes.names if name not in RANGE_M]
        if unknown:
            raise BadLabels(
                f"class table {classes.name}: expected nuScenes' classes ({', '.join(RANGE_M)}), found {', '.join(unknown)}. "
                "Map the boxes to these."
            )
        self._classes = classes
        self._matches = {name: ClassMatches(len(DISTANCES_M), len(ERRORS)) for name in RANGE_M}

    def add(self, frame: NuscenesFrame) -> None:
        """Count one frame. Raises BadBoxes for unknown classes, scores outside 0..1, or boxes in two frames of reference."""
        require_judgeable(frame.truth, self._classes)
        require_judgeable(frame.found, self._classes)
        require_one_frame(frame.truth, frame.found)
        for class_id, name in enumerate(self._classes.names):
            self._add_class(frame, name, class_id)

    def scores(self) -> NuscenesScores:
        """The scores over all frames so far."""
        ap, errors = {}, {}
        for name, matches in self._matches.items():
            curves = matches.curves()
            ap[name] = {limit: curve.average_precision() for limit, curve in zip(DISTANCES_M, curves, strict=True)}
            errors[name] = _mean_errors(matches, curves[_ERRORS_AT], _NOT_JUDGED.get(name, ()))
        return NuscenesScores({name: matches.truth_count for name, matches in self._matches.items()}, ap, errors)

    def _add_class(self, frame: NuscenesFrame, name: str, class_id: int) -> None:
        truth, found = frame.counted_truth(name, class_id), frame.counted_found(name, class_id)
        score = frame.found.score[found]
        distance_m = centre_distance_m(frame.found.boxes[found], frame.truth.boxes[truth])
        matches = greedy_matches(distance_m, score, np.array(DISTANCES_M))
        errors = np.full((len(found), len(ERRORS)), np.nan)
        hit = matches[_ERRORS_AT] >= 0
        errors[hit] = frame.errors(name, found[hit], truth[matches[_ERRORS_AT, hit]])
        self._matches[name].add(len(truth), score, matches >= 0, errors)


def _mean_errors(matches: ClassMatches, curve: PrecisionCurve, not_judged: tuple[str, ...]) -> dict[str, float]:
    score, matched, errors = matches.ranked()
    hit = matched[_ERRORS_AT]
    return {
        name: np.nan if name in not_judged else curve.mean_error(score[hit], errors[hit, k])
        for k, name in enumerate(ERRORS)
    }
