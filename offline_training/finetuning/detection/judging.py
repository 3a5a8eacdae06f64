"""The answers of a detector on data sets with boxes, judged."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from lidar_vl_core.boxes.boxes3d import Boxes3d
from offline_training.datasets.augment.box_scan import box_scan
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.label_fractions import labelled_frames
from offline_training.datasets.batches.collate_boxes import network_scan
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.data_sources import DataSource, data_set_spec
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import judging_preparer
from offline_training.finetuning.detection.judges import in_frame_of, judge_of
from offline_training.finetuning.detection.quality import DetectionMeasurement, SourceQuality
from offline_training.networks.detection.detector import Detector


def measured(
    network: Detector[Any],
    config: DetectFinetuneConfig,
    sources: Iterable[DataSource],
    device: torch.device | str = "cpu",
    stop: Callable[[], bool] = lambda: False,
) -> DetectionMeasurement | None:
    """Judge a detector on data sets, one after the other; None where it was stopped. Raises BadDataset, BadConfig."""
    qualities = []
    for source in sources:
        quality = _quality(network, config, source, device, stop)
        if quality is None:
            return None
        qualities.append(quality)
    return DetectionMeasurement(tuple(qualities))


def found_boxes(
    network: Detector[Any], config: DetectFinetuneConfig, sample: BoxSample, device: torch.device | str = "cpu"
) -> Boxes3d:
    """The boxes of one sample, the best first, in the frame of its cloud."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        inputs = judging_preparer(config)([network_scan(box_scan(sample))]).to(device)
        (found,) = network.decode(network(inputs))
    network.train(was_training)
    return in_frame_of(sample, found)


def _quality(
    network: Detector[Any],
    config: DetectFinetuneConfig,
    source: DataSource,
    device: torch.device | str,
    stop: Callable[[], bool],
) -> SourceQuality | None:
    # Every frame is opened and some are left out here, as judges ask the data set itself for more than its boxes.
    by_frame = source.label_skip != 1 and not data_set_spec(source.kind).thins_scenes
    whole = source.model_copy(update={"label_skip": 1}) if by_frame else source
    dataset = open_boxes(whole, config.class_table, config.sweeps)
    judge = judge_of(source, dataset, config.point_cloud_range)
    for index in labelled_frames(len(dataset), source.label_skip if by_frame else 1):
        if stop():
            return None
        sample = dataset[index]
        judge.add(index, sample, found_boxes(network, config, sample, device))
    return judge.quality()
