"""What a run's training sweeps look like, for the package: the robot's reports say when a recording is unlike them."""

import logging
from pathlib import Path

import numpy as np

from lidar_vl_core.evaluation.seen_sweeps import statistics_with_confidence
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.training_sweeps import TrainingSweeps, training_sweeps
from lidar_vl_core.tasks.segmenter import Segmenter
from offline_training.datasets.data_sources import open_source
from offline_training.finetuning.config import FinetuneConfig

_log = logging.getLogger(__name__)
SWEEPS = 96  # of all sources together, evenly chosen


def seen_in_training(config: FinetuneConfig, package: ModelPackage) -> TrainingSweeps | None:
    """Statistics of sweeps of the run's data sets, labelled by its package; nothing where none of them is here and whole."""
    present = [source for source in config.train if Path(source.folder).exists()]
    if not present:
        return None
    segmenter = Segmenter(package)
    seen = []
    for source in present:
        try:
            dataset = open_source(source, config.class_table)
            for index in _evenly(len(dataset), SWEEPS // len(present)):
                cloud = dataset[index].cloud
                seen.append(statistics_with_confidence(cloud, segmenter.segment(cloud)))
        except LidarVlError as error:  # the package is written and right without it
            _log.warning("%s: left out of what the package tells of its training: %s", source.title, error)
    return training_sweeps(seen) if seen else None


def _evenly(count: int, wanted: int) -> list[int]:
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(count, max(wanted, 1))).round())]
