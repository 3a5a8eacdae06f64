"""Boxes in the files that the servers of KITTI's object detection and of nuScenes take. Writes files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.transform import boxes_in_frame
from lidar_vl_core.evaluation.detection.kitti_predictions import (
    KittiCamera,
    kitti_predictions,
    write_kitti_predictions,
)
from lidar_vl_core.evaluation.detection.nuscenes_frame import MOST_BOXES
from lidar_vl_core.evaluation.detection.nuscenes_results import (
    SampleResult,
    default_attributes,
    write_nuscenes_results,
)
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.sample_files import image_size
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.boxes.kitti_object import visible_cloud
from offline_training.datasets.boxes.nuscenes import MAP, NuScenesClouds
from offline_training.datasets.data_sources import DataSource, data_set_spec
from offline_training.datasets.lidar.files.kitti_object_scans import object_scans
from offline_training.datasets.lidar.kitti_object import KittiObjectSource
from offline_training.datasets.lidar.nuscenes import NuScenesSource
from offline_training.evaluation.submission_folder import (
    Submission,
    nuscenes_samples,
    require_benchmark,
    require_classes,
    require_inputs,
    require_new,
    require_whole,
    submission_folder,
    with_progress,
    zip_of,
)
from offline_training.finetuning.detection.detectors import load_detector
from offline_training.finetuning.detection.judging import BoxFinder, box_finder
from offline_training.runs.device import uses_cuda

_KITTI_SCANS = {"test": 7518}  # by list of ImageSets/


def detection_submission(
    checkpoint_path: Path, sources: Iterable[DataSource], benchmark: str, out: Path, uses: Iterable[str] = ("lidar",)
) -> Submission:
    """Find the boxes of every scan of one data set, and write them into a new folder `out` and into `out`.zip beside it.

    benchmark: "kitti_object", a file for each scan, or "nuscenes_detection", one file of all key frames with at most 500 boxes
    each; neither needs boxes that somebody drew. uses: as submission() has it. Raises BadRequest, BadConfig, BadCheckpoint,
    BadDataset, and writes nothing then.
    """
    require_benchmark(benchmark, BENCHMARKS)
    target, chosen, inputs = BENCHMARKS[benchmark], tuple(sources), require_inputs(uses)
    require_new(out)
    network, config = load_detector(checkpoint_path)
    require_classes(checkpoint_path, config.classes, target.classes, benchmark)
    require_whole(chosen, target.source, benchmark)
    if len(chosen) != 1:
        raise BadConfig(
            f"validation: expected one data set for {benchmark}, found {len(chosen)}. Name the split to predict."
        )
    device = "cuda" if uses_cuda(config) else "cpu"
    finder = box_finder(network.to(device), config, device)
    return target.write(chosen[0], finder, out, inputs)


def _kitti_object(source: DataSource, finder: BoxFinder, out: Path, inputs: tuple[str, ...]) -> Submission:
    """NAME.txt of 16 columns for every scan, in the root of the zip, empty where nothing was found."""
    lists = data_set_spec(source.kind).chosen_sequences(source)
    scans = object_scans(Path(source.folder), lists, None)
    predictions = {}
    for index in with_progress(len(scans)):
        scan = scans[index]
        calibration = scan.calibration()
        camera = KittiCamera(calibration.T_cam0_lidar(), calibration.P2(), *image_size(scan.picture, scan.name))
        predictions[scan.scan] = kitti_predictions(finder.find(visible_cloud(scan)), finder.classes, camera)
    with submission_folder(out) as folder:
        write_kitti_predictions(folder, predictions)
    official = _KITTI_SCANS.get(lists[0]) if lists is not None and len(lists) == 1 else None
    return Submission(zip_of(out), len(predictions), official)


def _nuscenes_detection(source: DataSource, finder: BoxFinder, out: Path, inputs: tuple[str, ...]) -> Submission:
    """results_nusc.json: the boxes of every key frame in the map of its city."""
    if not isinstance(source, NuScenesSource):
        raise TypeError(f"expected a NuScenesSource, found {type(source).__name__}")
    scenes = data_set_spec(source.kind).chosen_sequences(source)
    frames = NuScenesClouds(Path(source.folder), source.version, scenes, None, finder.sweeps)
    results = {}
    for index in with_progress(len(frames)):
        token = frames.sample_token(index)
        found = finder.find(frames.cloud(index))
        surest = found.taken(np.argsort(-found.score, kind="stable")[:MOST_BOXES])
        in_map = boxes_in_frame(surest, frames.T_world_lidar(index), MAP)
        results[token] = SampleResult(in_map, default_attributes(in_map, finder.classes))
    modalities = [f"use_{name}" for name in inputs]
    with submission_folder(out) as folder:
        write_nuscenes_results(folder / "results_nusc.json", results, finder.classes, modalities)
    return Submission(zip_of(out), len(results), nuscenes_samples(source))


@dataclass(frozen=True)
class _Benchmark:
    """What a server takes: which data set, in which classes, and how its files are made."""

    source: type[SourceConfig]
    classes: str
    write: Callable[[DataSource, BoxFinder, Path, tuple[str, ...]], Submission]


BENCHMARKS = {
    "kitti_object": _Benchmark(KittiObjectSource, "kitti3", _kitti_object),
    "nuscenes_detection": _Benchmark(NuScenesSource, "nuscenes10", _nuscenes_detection),
}
