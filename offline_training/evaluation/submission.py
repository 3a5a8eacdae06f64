"""Predictions in the folders that the servers of nuScenes-lidarseg and SemanticKITTI take. Writes files."""

import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table, submitted_ids
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadRequest
from lidar_vl_core.foundation.files import atomic_writer, write_bytes, write_text
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.datasets.lidar.nuscenes import NuScenes, NuScenesSource
from offline_training.datasets.lidar.semantic_kitti import SemanticKittiSource
from offline_training.finetuning.evaluate import load_network, predict

_INPUTS = ("camera", "lidar", "radar", "map", "external")  # what a nuScenes submission says it used
_NUSCENES_SETS = ("train", "val", "test", "mini_train", "mini_val")
_SET_OF_VERSION = {"v1.0-test": "test", "v1.0-mini": "mini_val"}


def submission(
    checkpoint_path: Path, sources: Iterable[DataSource], benchmark: str, out: Path, uses: Iterable[str] = ("lidar",)
) -> Path:
    """Predict every scan of the sources into a new folder `out`, and pack it into `out`.zip beside it, which is returned.

    benchmark: "nuscenes_lidarseg" or "semantic_kitti"; uses: what nuScenes is told of the inputs, out of camera, lidar,
    radar, map, external. A point outside the network's grid gets the class of the nearest point inside, because a file
    needs one for every point. Raises BadRequest, BadConfig, BadCheckpoint, BadDataset.
    """
    target, chosen, meta = _target(benchmark), tuple(sources), _nuscenes_meta(tuple(uses))
    _require_new(out)
    network, config = load_network(checkpoint_path)
    if config.class_table != target.classes:
        raise BadConfig(
            f"{checkpoint_path}: expected a network of the classes {target.classes.name} for {benchmark}, found "
            f"{config.class_table.name}. Train with classes: {target.classes.name}."
        )
    _require_whole(chosen, target.source, benchmark)
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    network.to(device)
    for source in chosen:
        dataset = open_source(source, target.classes)
        for index in _with_progress(dataset):
            sample = dataset[index]
            class_id = np.full(len(sample.cloud), IGNORE_ID, np.uint8)
            class_id[sample.cloud.has_return()] = predict(network, config, labelled_scan(sample), device)
            stored = target.stored_of_class[with_every_point_answered(sample, class_id)]
            write_bytes(out / target.file_of(source, dataset, index, sample.name), stored.tobytes())
        if isinstance(source, NuScenesSource):
            write_text(out / _nuscenes_set(source) / "submission.json", meta)
    return _packed(out)


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


def _target(benchmark: str) -> _Target:
    if benchmark not in _TARGETS:
        raise BadRequest(f"benchmark: expected {' or '.join(_TARGETS)}, found {benchmark!r}. Choose one of them.")
    return _TARGETS[benchmark]()


def _nuscenes_lidarseg() -> _Target:
    stored = np.arange(1, 17, dtype=np.uint8)  # 0 would be noise, which is no class of the challenge
    return _Target(NuScenesSource, class_table("nuscenes16"), stored, _nuscenes_file)


def _semantic_kitti() -> _Target:
    classes = class_table("semantic_kitti19")
    return _Target(SemanticKittiSource, classes, submitted_ids("semantic_kitti", classes), _kitti_file)


_TARGETS: dict[str, Callable[[], _Target]] = {
    "nuscenes_lidarseg": _nuscenes_lidarseg,
    "semantic_kitti": _semantic_kitti,
}


def _nuscenes_file(source: DataSource, dataset: SampleSource, index: int, name: str) -> Path:
    if not isinstance(source, NuScenesSource) or not isinstance(dataset, NuScenes):
        raise BadConfig(f"validation: expected nuScenes itself for its submission, found {type(dataset).__name__}.")
    return Path("lidarseg") / _nuscenes_set(source) / f"{dataset.files(index).lidar_token}_lidarseg.bin"


def _kitti_file(source: DataSource, dataset: SampleSource, index: int, name: str) -> Path:
    sequence, _, scan = name.partition("/")
    return Path("sequences") / sequence / "predictions" / f"{scan}.label"


def _nuscenes_set(source: NuScenesSource) -> str:
    if source.split in _NUSCENES_SETS:
        return source.split
    return _SET_OF_VERSION.get(source.version, "val")


def _nuscenes_meta(uses: tuple[str, ...]) -> str:
    if unknown := [name for name in uses if name not in _INPUTS]:
        raise BadRequest(f"uses: expected some of {', '.join(_INPUTS)}, found {', '.join(unknown)}.")
    return json.dumps({"meta": {f"use_{name}": name in uses for name in _INPUTS}}, indent=1)


def _require_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadRequest(f"{out}: expected a new or an empty folder, found one with files. Choose another.")
    if _zip_of(out).exists():
        raise BadRequest(f"{_zip_of(out)}: expected no earlier submission, found one. Choose another --out.")


def _require_whole(sources: tuple[DataSource, ...], wanted: type[SourceConfig], benchmark: str) -> None:
    if not sources or any(not isinstance(source, wanted) or source.label_skip != 1 for source in sources):
        found = [f"{source.kind} (label_skip {source.label_skip})" for source in sources]
        raise BadConfig(
            f"validation: expected whole data sets of kind {wanted.kind_name()} for {benchmark}, found {', '.join(found) or 'none'}. "
            "Name those to predict under `validation`."
        )


def _with_progress(dataset: SampleSource) -> Iterable[int]:
    from tqdm import tqdm

    return tqdm(range(len(dataset)), desc="scans", disable=not sys.stderr.isatty())


def _zip_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.zip")


def _packed(out: Path) -> Path:
    """The folder as a zip with an entry for each folder, which SemanticKITTI's validator asks for."""
    path = _zip_of(out)
    with atomic_writer(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in sorted(out.rglob("*")):
            packed.write(entry, entry.relative_to(out))
    return path
