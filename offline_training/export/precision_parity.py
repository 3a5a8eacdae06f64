"""How near a package in lower precision is to its own in float32 on real clouds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.checked_engine import LIMITS
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sparse_model.known_precisions import Precision
from offline_training.export.answers import Answers, answers_of
from offline_training.export.parity import ENGINES, require_points

_LEAST_IOU, _SCORE_STEP = 0.7, 0.05  # of boxes that are the same but for rounding
MIN_SAME_BOXES: dict[Precision, float] = {"fp16": 0.99, "int8": 0.9}


@dataclass(frozen=True)
class PrecisionParity:
    """How far a package in lower precision, run by an engine, is from float32."""

    engine: str
    precision: Precision
    clouds: int
    answers: int  # points, or boxes
    of: str  # "points" or "boxes"
    difference: float  # largest of a number of the network, as a share of the largest one of that cloud
    same: float  # share of the points with the same class, or of the boxes that the other side has, too

    @property
    def is_near(self) -> bool:
        """Whether it is as near as its precision should be."""
        return self.difference <= LIMITS[self.precision].difference and self.same >= self.least_same

    @property
    def least_same(self) -> float:
        """What `same` should be."""
        return LIMITS[self.precision].same_class if self.of == "points" else MIN_SAME_BOXES[self.precision]

    def __str__(self) -> str:
        same = "same class" if self.of == "points" else "same boxes"
        return (
            f"{self.precision} by {self.engine} beside float32: {self.clouds} clouds, {self.answers} {self.of}, largest "
            f"difference {100 * self.difference:.2g} % of the largest value, {same} {100 * self.same:.3f} %"
        )


def compare_precision(
    single: ModelPackage, package: ModelPackage, clouds: Sequence[PointCloud]
) -> list[PrecisionParity]:
    """Ask a package in lower precision and its own in float32 by every CPU engine; raises BadRequest for clouds out of range."""
    expected_of = answers_of(single, "fused")
    expected = [expected_of(cloud) for cloud in clouds]
    of = "points" if single.manifest.detection is None else "boxes"
    if of == "points":
        require_points(sum(_points(one) for one in expected))
    parity = []
    for engine in ENGINES:
        found_of = answers_of(package, engine)
        differences, same, total = [0.0], 0, 0
        for cloud, one in zip(clouds, expected, strict=True):
            found = found_of(cloud)
            differences += [_difference(*pair) for pair in zip(one.numbers, found.numbers, strict=True)]
            if one.boxes is None or found.boxes is None:
                same += int((one.class_id == found.class_id)[one.class_id != IGNORE_ID].sum())
                total += _points(one)
            else:
                of_both, all_of_both = _counterparts(one.boxes, found.boxes, package)
                same, total = same + of_both, total + all_of_both
        share = same / total if total else 0.0  # nothing compared is no parity
        precision = package.manifest.precision
        parity.append(PrecisionParity(engine, precision, len(clouds), total, of, float(np.max(differences)), share))
    return parity


def require_near(parity: Sequence[PrecisionParity], out: Path) -> None:
    """Raise BadModelPackage where an engine is too far from float32."""
    for one in parity:
        if not one.answers:
            raise BadModelPackage(
                f"{out}: expected {one.of} to compare, found none in {one.clouds} clouds. Nothing was written; give clouds with objects "
                "in them."
            )
        if not one.is_near:
            most = 100 * LIMITS[one.precision].difference
            raise BadModelPackage(
                f"{out}: expected at most {most:.0f} % difference to float32 and {100 * one.least_same:.1f} % equal "
                f"answers, found {one}. Nothing was written; keep fp32, or calibrate with typical clouds of the sensor."
            )


def same_boxes(found: Sequence[Boxes3d], expected: Sequence[Boxes3d], package: ModelPackage) -> float:
    """Share of the boxes of two detectors, scan by scan, that the other one found, too, but for those near the package's least score."""
    counts = [_counterparts(ours, others, package) for ours, others in zip(found, expected, strict=True)]
    same, total = (sum(count) for count in zip(*counts, strict=True)) if counts else (0, 0)
    return same / total if total else 1.0


def _counterparts(ours: Boxes3d, others: Boxes3d, package: ModelPackage) -> tuple[int, int]:
    """How many of both sides' boxes the other side has, and how many there are."""
    same, total = 0, 0
    for boxes, other in ((ours, others), (others, ours)):
        certain = _certain(boxes, package)
        same, total = same + int(has_counterpart(certain, other).sum()), total + len(certain)
    return same, total


def has_counterpart(boxes: Boxes3d, others: Boxes3d) -> np.ndarray:
    """(N,) bool: one of the others has the box's class, nearly its place and size seen from above, and nearly its score."""
    if not len(boxes) or not len(others):
        return np.zeros(len(boxes), bool)
    near = bev_iou(boxes.boxes, others.boxes) >= _LEAST_IOU
    near &= boxes.class_id[:, None] == others.class_id[None]
    near &= np.abs(boxes.score[:, None] - others.score[None]) <= _SCORE_STEP
    return np.asarray(near.any(axis=1))


def _certain(boxes: Boxes3d, package: ModelPackage) -> Boxes3d:
    """Those whose score does not hang on the least one that is told."""
    detection = package.manifest.detection
    least = 0.0 if detection is None else detection.selection.least_score
    return boxes.taken(boxes.score >= least + _SCORE_STEP)


def _points(answers: Answers) -> int:
    return int((answers.class_id != IGNORE_ID).sum())


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Largest difference, as a share of the largest value; infinite where a number is none."""
    if not expected.size:
        return 0.0
    difference = float(np.abs(expected - found).max())
    largest = float(np.abs(expected).max())
    return difference / largest if np.isfinite(difference) and largest > 0 else float("inf") if difference else 0.0
