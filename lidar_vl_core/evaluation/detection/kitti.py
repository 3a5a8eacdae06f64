"""KITTI's average precision: 2D, bird's-eye view, 3D and orientation, at three difficulties, over 40 and over 11 recalls.

Source: Geiger et al. 2012 and the benchmark's official evaluator; 40 recalls: Simonelli et al. 2019, Disentangling monocular
3D object detection, section 5. One thing differs: where a threshold leaves neither right nor wrong predictions the official
evaluator divides 0 by 0; here such a threshold has the precision of the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.boxes.kitti_objects import DONT_CARE, NO_ALPHA, KittiObjects
from lidar_vl_core.evaluation.detection.judged_boxes import require_same_frames, require_scores
from lidar_vl_core.evaluation.detection.kitti_matching import Picture
from lidar_vl_core.evaluation.detection.kitti_rules import (
    COUNTED,
    DIFFICULTIES,
    MIN_OVERLAP,
    Difficulty,
    found_roles,
    overlaps,
    share_in_dont_care,
    truth_roles,
)
from lidar_vl_core.foundation.errors import BadBoxes

MEASURES = ("2d", "aos", "bev", "3d")  # aos: average orientation similarity, on the matches of 2d
_STEPS = 40  # recalls 0, 1/40, ... 1


@dataclass(frozen=True, eq=False)
class KittiScore:
    """One class by one measure at one difficulty; 0 everywhere where the truth has none of it, as in the official tool."""

    truth_count: int  # objects that must be found
    precision: np.ndarray  # (41,) over the recalls 0, 1/40, ... 1: the best one at that recall or a higher one

    @property
    def ap_r40(self) -> float:
        """Mean precision over the recalls 1/40 ... 1, 0..1."""
        return float(self.precision[1:].mean())

    @property
    def ap_r11(self) -> float:
        """Mean precision over the recalls 0, 0.1 ... 1, 0..1: as reported in papers before 2019."""
        return float(self.precision[::4].mean())


@dataclass(frozen=True, eq=False)
class KittiScores:
    """All scores, by class, measure (of MEASURES) and difficulty; no "aos" where a prediction has no orientation."""

    by_class: Mapping[str, Mapping[str, Mapping[str, KittiScore]]]

    def mean_ap(self, measure: str, difficulty: str) -> float:
        """Mean of ap_r40 over the classes that have objects of that difficulty; NaN where none has."""
        scores = [of_class[measure][difficulty] for of_class in self.by_class.values()]
        values = [score.ap_r40 for score in scores if score.truth_count]
        return float(np.mean(values)) if values else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: class -> measure -> difficulty -> truth, ap_r40, ap_r11."""
        return {
            name: {
                measure: {
                    difficulty: {"truth": score.truth_count, "ap_r40": score.ap_r40, "ap_r11": score.ap_r11}
                    for difficulty, score in by_difficulty.items()
                }
                for measure, by_difficulty in by_measure.items()
            }
            for name, by_measure in self.by_class.items()
        }


def kitti_scores(truth: Mapping[str, KittiObjects], found: Mapping[str, KittiObjects]) -> KittiScores:
    """The official scores of Car, Pedestrian and Cyclist. truth, found: the objects of every image, by its name.

    Raises BadBoxes where images are missing on one side, predictions have no scores or such outside 0..1, or are DontCare.
    """
    require_same_frames(truth, found)
    frames = [_Frame(truth[name], _checked(name, found[name])) for name in truth]
    with_aos = not any((frame.found.alpha_rad == NO_ALPHA).any() for frame in frames)
    by_class = {}
    for class_name in MIN_OVERLAP:
        by_measure: dict[str, dict[str, KittiScore]] = {
            measure: {} for measure in MEASURES if with_aos or measure != "aos"
        }
        for difficulty in DIFFICULTIES:
            for overlap in ("2d", "bev", "3d"):
                precision, similarity = _class_score(frames, class_name, difficulty, overlap)
                by_measure[overlap][difficulty.name] = precision
                if with_aos and overlap == "2d":
                    by_measure["aos"][difficulty.name] = similarity
        by_class[class_name] = by_measure
    return KittiScores(by_class)


class _Frame:
    """One image with what all classes and difficulties ask of it."""

    def __init__(self, truth: KittiObjects, found: KittiObjects) -> None:
        self.truth, self.found = truth, found
        self.score = np.zeros(0) if found.score is None else found.score
        self.overlaps = overlaps(found, truth)
        self.share_in_dont_care = share_in_dont_care(found, truth)
        self.similarity = (1.0 + np.cos(truth.alpha_rad[None] - found.alpha_rad[:, None])) / 2.0

    def picture(self, class_name: str, difficulty: Difficulty, overlap: str) -> Picture:
        # Areas nobody looked at are drawn in images alone.
        excused = self.share_in_dont_care > (MIN_OVERLAP[class_name] if overlap == "2d" else np.inf)
        return Picture.of(
            self.overlaps[overlap],
            self.score,
            found_roles(self.found, class_name, difficulty),
            truth_roles(self.truth, class_name, difficulty),
            excused,
            self.similarity,
        )


def _checked(name: str, found: KittiObjects) -> KittiObjects:
    if found.score is None and len(found):
        raise BadBoxes(f"{name}: expected predictions with scores, found none. Give 16 columns.")
    if (found.kind == DONT_CARE).any():
        raise BadBoxes(f"{name}: expected predictions of objects, found {DONT_CARE}. Leave such entries out.")
    if found.score is not None:
        try:
            require_scores(found.score)
        except BadBoxes as error:
            raise BadBoxes(f"{name}: {error}") from error
    return found


def _class_score(
    frames: list[_Frame], class_name: str, difficulty: Difficulty, overlap: str
) -> tuple[KittiScore, KittiScore]:
    """The scores by precision and by similarity of orientation."""
    pictures = [frame.picture(class_name, difficulty, overlap) for frame in frames]
    truth_count = sum(int((picture.truth_role == COUNTED).sum()) for picture in pictures)
    min_overlap = MIN_OVERLAP[class_name]
    right_scores = [score for picture in pictures for score in picture.right_scores(min_overlap)]
    thresholds = np.array(score_thresholds(right_scores, truth_count))
    sums = np.zeros((len(thresholds), 4))
    for picture in pictures:
        sums += picture.counts(thresholds, min_overlap)
    answered = sums[:, 0] + sums[:, 1]
    precision, similarity = (
        KittiScore(
            truth_count, _best_from_here_on(np.divide(part, answered, out=np.zeros(len(part)), where=answered > 0))
        )
        for part in (sums[:, 0], sums[:, 3])
    )
    return precision, similarity


def score_thresholds(right_scores: list[float], truth_count: int) -> list[float]:
    """The scores at which recall comes nearest to 0, 1/40, ... 1, as far as it gets."""
    ranked = sorted(right_scores, reverse=True)
    thresholds = []
    recall = 0.0  # the next one to be sampled; summed up in steps, so that ties fall as in the official tool
    for rank, score in enumerate(ranked, 1):
        is_last = rank == len(ranked)
        here, further = rank / truth_count, (rank + 1) / truth_count
        if not is_last and further - recall < recall - here:
            continue  # the next score comes nearer
        thresholds.append(score)
        recall += 1.0 / _STEPS
    return thresholds


def _best_from_here_on(values: np.ndarray) -> np.ndarray:
    curve = np.zeros(_STEPS + 1)
    curve[: len(values)] = np.maximum.accumulate(values[::-1])[::-1]
    return curve
