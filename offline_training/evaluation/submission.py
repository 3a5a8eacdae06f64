"""Predictions in the folders that the servers of nuScenes-lidarseg and SemanticKITTI take. Writes files."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table, submitted_ids
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.files import write_bytes, write_text
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.datasets.lidar.nuscenes import NuScenes, NuScenesSource
from offline_training.datasets.lidar.semantic_kitti import SemanticKittiSource
from offline_training.evaluation.submission_folder import (
    INPUTS,
    Submission,
    nuscenes_samples,
    nuscenes_set,
    require_benchmark,
    require_classes,
    require_inputs,
    require_new,
    require_whole,
    submission_folder,
    with_progress,
    zip_of,
)
from offline_training.finetuning.evaluate import load_network, predict

_KITTI_SCANS = 20351  # of the test sequences 11 to 21


def submission(
    checkpoint_path: Path, sources: Iterable[DataSource], benchmark: str, out: Path, uses: Iterable[str] = ("lidar",)
) -> Submission:
    """Predict every scan of the sources into a new folder `out`, and pack it into `out`.zip beside it.

    benchmark: "nuscenes_lidarseg" or "semantic_kitti"; uses: what nuScenes is told of the inputs, out of camera, lidar,
    radar, map, external. A point outside the network's grid gets the class of the nearest point inside, because a file
    needs one for every point. Raises BadRequest, BadConfig, BadCheckpoint, BadDataset.
    """
    target, chosen, meta = _target(benchmark), tuple(sources), _nuscenes_meta(require_inputs(uses))
    require_new(out)
    network, config = load_network(checkpoint_path)
    require_classes(checkpoint_path, config.classes, target.classes.name, benchmark)
    require_whole(chosen, target.source, benchmark)
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    network.to(device)
    written = 0
    with submission_folder(out) as folder:
        for source in chosen:
            dataset = open_source(source, target.classes)
            for index in with_progress(len(dataset)):
                sample = dataset[index]
                class_id = np.full(len(sample.cloud), IGNORE_ID, np.uint8)
                class_id[sample.cloud.has_return()] = predict(network, config, labelled_scan(sample), device)
                stored = target.stored_of_class[with_every_point_answered(sample, class_id)]
                write_bytes(folder / target.file_of(source, dataset, index, sample.name), stored.tobytes())
                written += 1
            if isinstance(source, NuScenesSource):
                write_text(folder / nuscenes_set(source) / "submission.json", meta)
    return Submission(zip_of(out), written, target.official_samples(chosen))


def with_every_point_answered(sample: Sample, class_id: np.ndarray) -> np.ndarray:
    """(N,) class ids without 255: a point without one takes that of the nearest point, one without a place that of its
    neighbour in the file. Raises BadDataset when no point has one."""
    from scipy.spatial import cKDTree

    answered = class_id != IGNORE_ID
    if not answered.any():
        raise BadDataset(
            f"{sample.name}: expected points inside the network's grid, found none of {len(class_id)}. "
            "Check that the network was trained on scans of this kind."
        )
    whole, lost = class_id.copy(), sample.cloud.has_return() & ~answered
    _, nearest = cKDTree(sample.cloud.xyz_m[answered]).query(sample.cloud.xyz_m[lost])
    whole[lost] = class_id[answered][nearest]
    known = np.flatnonzero(whole != IGNORE_ID)
    before = np.clip(np.searchsorted(known, np.arange(len(whole)), side="right") - 1, 0, None)
    return np.where(whole == IGNORE_ID, whole[known[before]], whole)


@dataclass(frozen=True)
class _Target:
    """What a server takes: which data set, in which classes, where each scan's file lies and what stands in it."""

    source: type[SourceConfig]
    classes: ClassTable
    stored_of_class: np.ndarray  # (K,) value that stands for a class, in the type of the file
    file_of: Callable[[DataSource, SampleSource, int, str], Path]  # source, data set, index, name of the sample
    official_samples: Callable[[tuple[DataSource, ...]], int]  # of the split that the server judges


def _target(benchmark: str) -> _Target:
    require_benchmark(benchmark, _TARGETS)
    return _TARGETS[benchmark]()


def _nuscenes_lidarseg() -> _Target:
    stored = np.arange(1, 17, dtype=np.uint8)  # 0 would be noise, which is no class of the challenge
    return _Target(NuScenesSource, class_table("nuscenes16"), stored, _nuscenes_file, _nuscenes_samples)


def _semantic_kitti() -> _Target:
    classes = class_table("semantic_kitti19")
    return _Target(
        SemanticKittiSource, classes, submitted_ids("semantic_kitti", classes), _kitti_file, lambda _: _KITTI_SCANS
    )


_TARGETS: dict[str, Callable[[], _Target]] = {
    "nuscenes_lidarseg": _nuscenes_lidarseg,
    "semantic_kitti": _semantic_kitti,
}


def _nuscenes_file(source: DataSource, dataset: SampleSource, index: int, name: str) -> Path:
    if not isinstance(source, NuScenesSource) or not isinstance(dataset, NuScenes):
        raise BadConfig(f"validation: expected nuScenes itself for its submission, found {type(dataset).__name__}.")
    return Path("lidarseg") / nuscenes_set(source) / f"{dataset.files(index).lidar_token}_lidarseg.bin"


def _nuscenes_samples(sources: tuple[DataSource, ...]) -> int:
    return sum(nuscenes_samples(source) for source in sources if isinstance(source, NuScenesSource))


def _kitti_file(source: DataSource, dataset: SampleSource, index: int, name: str) -> Path:
    sequence, _, scan = name.partition("/")
    return Path("sequences") / sequence / "predictions" / f"{scan}.label"


def _nuscenes_meta(uses: tuple[str, ...]) -> str:
    return json.dumps({"meta": {f"use_{name}": name in uses for name in INPUTS}}, indent=1)
