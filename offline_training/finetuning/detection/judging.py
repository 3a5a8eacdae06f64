"""The boxes that are found in data sets, judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.sweeps.joining import TIME_LAG
from offline_training.datasets.base.label_fractions import labelled_frames
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.data_sources import DataSource, data_set_spec
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import judging_preparer
from offline_training.finetuning.detection.judges import judge_of
from offline_training.finetuning.detection.quality import DetectionMeasurement, SourceQuality
from offline_training.networks.base.point_backbone import Scan
from offline_training.networks.detection.detector import Detector


@dataclass(frozen=True)
class BoxFinder:
    """Whatever finds boxes in the samples of a data set: a network here, or a package as the robot runs it."""

    classes: ClassTable
    sweeps: int  # joined to a sample
    range_m: tuple[float, ...]  # what it looks at, lower, then upper corner
    find: Callable[[PointCloud], Boxes3d]  # the best first, in the frame of the cloud


def box_finder(network: Detector[Any], config: DetectFinetuneConfig, device: torch.device | str = "cpu") -> BoxFinder:
    """A detector of that configuration, which lies on that device. Raises BadConfig."""
    preparer = judging_preparer(config)

    def find(cloud: PointCloud) -> Boxes3d:
        was_training = network.training
        network.eval()
        with torch.no_grad():
            inputs = preparer([_scan(cloud)]).to(device)
            found = network.decode(network(inputs))[0] if len(inputs.features) else _no_boxes()
        network.train(was_training)
        return replace(found, frame_id=cloud.frame_id)

    return BoxFinder(config.class_table, config.sweeps, config.point_cloud_range, find)


def measured(
    finder: BoxFinder, sources: Iterable[DataSource], stop: Callable[[], bool] = lambda: False
) -> DetectionMeasurement | None:
    """Judge boxes on data sets, one after the other; None where it was stopped. Raises BadDataset, BadConfig."""
    qualities = []
    for source in sources:
        quality = _quality(finder, source, stop)
        if quality is None:
            return None
        qualities.append(quality)
    return DetectionMeasurement(tuple(qualities))


def _no_boxes() -> Boxes3d:
    return Boxes3d.of(np.zeros((0, 7)), np.zeros(0))


def _scan(cloud: PointCloud) -> Scan:
    """The points that have a return."""
    met, lag = cloud.has_return(), cloud.extra.get(TIME_LAG)
    return cloud.xyz_m[met], cloud.intensity[met], *(() if lag is None else (lag[met],))


def _quality(finder: BoxFinder, source: DataSource, stop: Callable[[], bool]) -> SourceQuality | None:
    # Every frame is opened and some are left out here, as judges ask the data set itself for more than its boxes.
    by_frame = source.label_skip != 1 and not data_set_spec(source.kind).thins_scenes
    whole = source.model_copy(update={"label_skip": 1}) if by_frame else source
    dataset = open_boxes(whole, finder.classes, finder.sweeps)
    judge = judge_of(source, dataset, finder.range_m)
    for index in labelled_frames(len(dataset), source.label_skip if by_frame else 1):
        if stop():
            return None
        sample = dataset[index]
        judge.add(index, sample, finder.find(sample.cloud))
    return judge.quality()
