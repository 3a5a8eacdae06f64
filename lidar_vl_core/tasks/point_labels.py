"""The answer of segmentation for one cloud, and how a network's answers for voxels become one answer per point."""

import time
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.compiled import read_only


@dataclass(frozen=True)
class PointLabels:
    """The answer for one cloud, one entry per input point, in input order."""

    class_id: np.ndarray  # (N,) uint8; 255 = no answer: no return, on the own vehicle, or out of the network's range
    probability: np.ndarray  # (N,) float32, 0..1, softmax of the given class; 0 where there is no answer
    timing_ms: dict[str, float]  # "voxels" (with features), "maps", "network", "labels", "total"
    classes: ClassTable | None = None  # what the ids mean: words may have changed since this cloud was labelled
    picture_class_id: np.ndarray | None = None  # (N,) uint8 what images alone say; None = not asked
    picture_share: float = 0.0  # of the points that are named by images
    disagreement: float | None = (
        None  # share of the points that network and images both name, differently; None = not known
    )


def label_points(logits: np.ndarray, point_to_voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best class and its softmax probability for each point, from its voxel's logits.

    logits: (M, K) float32; point_to_voxel: (N,) int32, -1 = none. Returns (N,) uint8, 255 = no answer, and (N,)
    float32. A voxel whose logits are not all finite has no answer; of equal logits the first class wins.
    """
    from lidar_vl_core.tasks.label_loops import best_classes, spread_to_points

    best, below_best = best_classes(read_only(logits, np.float32))
    np.exp(below_best, out=below_best)
    return spread_to_points(best, below_best, read_only(point_to_voxel, np.int32))


def no_answers(points: int, started: float, classes: ClassTable) -> PointLabels:
    """The answer for a cloud without a point in the network's range. started: as time.perf_counter() told."""
    timing_ms = stage_times_ms((started, *(time.perf_counter(),) * 4))
    return PointLabels(np.full(points, IGNORE_ID, np.uint8), np.zeros(points, np.float32), timing_ms, classes)


def stage_times_ms(moments: tuple[float, ...]) -> dict[str, float]:
    """Milliseconds of each stage and in total, from the times at the start and after each stage."""
    stages = ("voxels", "maps", "network", "labels")
    timing_ms = {name: 1e3 * (moments[i + 1] - moments[i]) for i, name in enumerate(stages)}
    return {**timing_ms, "total": 1e3 * (moments[-1] - moments[0])}
