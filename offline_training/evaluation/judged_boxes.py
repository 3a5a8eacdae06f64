"""Networks that find boxes: KITTI's numbers on KITTI, nuScenes' on nuScenes, AP by centre distance on other data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.tasks.detector import Detector
from offline_training.datasets.data_sources import DataSource
from offline_training.evaluation.box_pictures import write_box_pictures
from offline_training.evaluation.judged import PYTORCH, Judged, told_engine
from offline_training.finetuning.detection.detection_table import detection_table
from offline_training.finetuning.detection.detectors import load_detector
from offline_training.finetuning.detection.judging import BoxFinder, box_finder, measured
from offline_training.runs.device import uses_cuda


@dataclass(frozen=True)
class JudgedBoxes(Judged):
    """The interface of anything that finds boxes."""

    finder: BoxFinder

    def metrics(self, sources: Sequence[DataSource]) -> dict[str, Any]:
        """Data set by data set, and the mean of their scores."""
        quality = measured(self.finder, sources)
        return {} if quality is None else quality.to_dict()

    def table(self, metrics: Mapping[str, Any]) -> str:
        """A table for each benchmark."""
        return detection_table(metrics)

    def write_pictures(self, sources: Sequence[DataSource], folder: Path) -> list[Path]:
        """The boxes and the truth from above."""
        return write_box_pictures(self.finder, sources, folder)


def boxes_of_checkpoint(path: Path) -> JudgedBoxes:
    """The detector of a run of `finetune`. Raises BadCheckpoint, BadConfig."""
    network, config = load_detector(path)
    device = "cuda" if uses_cuda(config) else "cpu"
    network.to(device)
    return JudgedBoxes(config.validation, lambda: PYTORCH, box_finder(network, config, device))


def boxes_of_package(package: ModelPackage, engine: str, threads: int = 0, sweeps: int = 1) -> JudgedBoxes:
    """A package as the robot runs it by that engine. threads: 0 = as many as are good; sweeps: joined to a sample.

    Raises EngineUnavailable; BadConfig where the network reads joined sweeps and there are none, or the other way round.
    """
    detector = Detector(package, engine, threads or None)
    if detector.reads_time != (sweeps > 1):
        reads, want = ("joined sweeps", "2 or more") if detector.reads_time else ("single sweeps", "1")
        raise BadConfig(
            f"{package.path}: expected sweeps: {want} in the configuration of the data sets, as this network reads {reads}, "
            f"found {sweeps}: the key belongs to `task: detection`."
        )
    finder = BoxFinder(detector.classes, sweeps, package.manifest.grid.point_cloud_range, detector.detect)
    return JudgedBoxes((), lambda: told_engine(detector), finder)
