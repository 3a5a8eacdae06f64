"""An engine of a GPU beside the fused one, cloud by cloud: the same answers, and how long the network takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.checked_engine import Likeness, likeness
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter

_PERCENTS = (50, 95, 99)
_WARM_UPS = 3  # runs of the first cloud before anything is measured: the first compiles


@dataclass(frozen=True)
class Trial:
    """The result of comparing two engines."""

    engine: str  # that answered in the end
    problem: str  # why that is another than was asked for
    clouds: int
    worst: Likeness  # of points' classes and probabilities, or of the maps of a detector
    network_ms: dict[str, dict[str, float]]  # percentiles by engine


def try_engine(
    package: ModelPackage, clouds: Sequence[PointCloud], engine: str = "tensorrt", threads: int | None = None
) -> Trial:
    """Run both over the clouds, one after the other. Raises EngineUnavailable where the engine cannot run here."""
    robot = Detector if package.manifest.task == "detection" else Segmenter
    tried, fused = robot(package, engine, threads), robot(package, "fused", threads)
    worst, taken_ms = Likeness(0.0, 1.0), {engine: list[float](), "fused": list[float]()}
    for _ in range(_WARM_UPS):
        _answer(tried, clouds[0])
        _answer(fused, clouds[0])
    for cloud in clouds:
        (classes, values, answer_ms), (expected, truth, expected_ms) = _answer(tried, cloud), _answer(fused, cloud)
        difference = likeness(values, truth, are_scores=False).difference
        same = float(np.mean(classes == expected)) if len(classes) else 1.0
        worst = Likeness(max(worst.difference, difference), min(worst.same_class, same))
        taken_ms[engine].append(answer_ms)
        taken_ms["fused"].append(expected_ms)
    percentiles = {
        name: {f"p{percent}": float(np.percentile(taken, percent)) for percent in _PERCENTS}
        for name, taken in taken_ms.items()
    }
    return Trial(tried.engine_name, tried.engine_problem, len(clouds), worst, percentiles)


def _answer(robot: Detector | Segmenter, cloud: PointCloud) -> tuple[np.ndarray, list[np.ndarray], float]:
    """The class of each point, none for a detector; numbers to compare; and the milliseconds of the network."""
    if isinstance(robot, Detector):
        maps = list(robot.head_maps(cloud).values())
        return np.empty(0, np.uint8), maps, robot.detect_timed(cloud)[1]["network"]
    labels = robot.segment(cloud)
    return labels.class_id, [labels.probability], labels.timing_ms["network"]
