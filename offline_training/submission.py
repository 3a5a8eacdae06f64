"""Predictions in the folders that the servers of nuScenes-lidarseg and SemanticKITTI take. Writes files."""

import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.errors import BadConfig, BadDataset, BadRequest
from lidar_vl_core.files import atomic_writer, write_bytes, write_text
from lidar_vl_core.label_maps import SEMANTIC_KITTI_RAW_OF_CLASS
from lidar_vl_core.labels import IGNORE_ID, NUSCENES_16, SEMANTIC_KITTI_19, ClassTable
from offline_training.data_sources import DataSource, SampleSource, open_source
from offline_training.datasets.nuscenes import NuScenes
from offline_training.datasets.sample import Sample
from offline_training.evaluate import load_network, predict
from offline_training.training_scans import labelled_scan

INPUTS = ("camera", "lidar", "radar", "map", "external")  # what a nuScenes submission says it used
_EVALUATION_SETS = ("train", "val", "test", "mini_train", "mini_val")
_SET_OF_VERSION = {"v1.0-test": "test", "v1.0-mini": "mini_val"}


def submission(
    checkpoint_path: Path, sources: Iterable[DataSource], benchmark: str, out: Path, uses: Iterable[str] = ("lidar",)
) -> Path:
    """Predict every scan of the sources into a new folder `out`, and pack it into `out`.zip beside it, which is returned.

    benchmark: "nuscenes_lidarseg" or "semantic_kitti"; uses: of INPUTS, for nuScenes' submission.json. A point outside the
    network's grid gets the class of the nearest point inside, because a file needs one for every point.
    Raises BadRequest, BadConfig, BadCheckpoint, BadDataset.
    """
    kind, classes, write = _benchmark(benchmark)
    _require_new(out)
    network, config = load_network(checkpoint_path)
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    network.to(device)
    if config.class_table != classes:
        raise BadConfig(
            f"{checkpoint_path}: expected a network of the classes {classes.name} for {benchmark}, found "
            f"{config.class_table.name}. Train with classes: {classes.name}."
        )
    chosen = tuple(sources)
    if not chosen or any(source.kind != kind or source.label_skip != 1 for source in chosen):
        raise BadConfig(
            f"validation: expected whole data sets of kind {kind} for {benchmark}, found "
            f"{[(source.kind, source.label_skip) for source in chosen]}. Name those to predict under `validation`."
        )
    for source in chosen:
        dataset = open_source(source, classes)
        for index in _with_progress(dataset):
            sample = dataset[index]
            scan = labelled_scan(sample)
            class_id = np.full(len(sample.cloud), IGNORE_ID, np.uint8)
            class_id[sample.cloud.finite()] = predict(network, config, scan, device)
            write(out, source, dataset, index, sample, with_every_point_answered(sample, class_id))
        if kind == "nuscenes":
            _write_nuscenes_meta(out / _evaluation_set(source), tuple(uses))
    return _packed(out)


def with_every_point_answered(sample: Sample, class_id: np.ndarray) -> np.ndarray:
    """(N,) class ids without 255: a point without one takes that of the nearest point, one without a place its neighbour's
    in the file. Raises BadDataset when no point has one."""
    from scipy.spatial import cKDTree

    answered = class_id != IGNORE_ID
    if not answered.any():
        raise BadDataset(
            f"{sample.name}: expected points inside the network's grid, found none of {len(class_id)}. "
            "Check that the network was trained on scans of this kind."
        )
    whole, placed = class_id.copy(), sample.cloud.finite()
    lost = placed & ~answered
    _, nearest = cKDTree(sample.cloud.xyz_m[answered]).query(sample.cloud.xyz_m[lost])
    whole[lost] = class_id[answered][nearest]
    known = np.flatnonzero(whole != IGNORE_ID)
    before = np.clip(np.searchsorted(known, np.arange(len(whole)), side="right") - 1, 0, None)
    return np.where(whole == IGNORE_ID, whole[known[before]], whole)


_Writer = Callable[[Path, DataSource, SampleSource, int, Sample, np.ndarray], None]


def _benchmark(name: str) -> tuple[str, ClassTable, _Writer]:
    if name == "nuscenes_lidarseg":
        return "nuscenes", NUSCENES_16, _write_nuscenes
    if name == "semantic_kitti":
        return "semantic_kitti", SEMANTIC_KITTI_19, _write_semantic_kitti
    raise BadRequest(f"benchmark: expected nuscenes_lidarseg or semantic_kitti, found {name!r}. Choose one of them.")


def _require_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadRequest(f"{out}: expected a new or an empty folder, found one with files. Choose another.")


def _with_progress(dataset: SampleSource) -> Iterable[int]:
    from tqdm import tqdm

    return tqdm(range(len(dataset)), desc="scans", disable=not sys.stderr.isatty())


def _write_nuscenes(
    out: Path, source: DataSource, dataset: SampleSource, index: int, sample: Sample, class_id: np.ndarray
) -> None:
    """lidarseg/<set>/<token>_lidarseg.bin: uint8 1..16, one per point; 0 would be noise, which is not a class."""
    if not isinstance(dataset, NuScenes):
        raise BadConfig(f"validation: expected nuScenes itself for its submission, found {type(dataset).__name__}.")
    token = dataset.files(index).lidar_token
    path = out / "lidarseg" / _evaluation_set(source) / f"{token}_lidarseg.bin"
    write_bytes(path, (class_id + np.uint8(1)).tobytes())


def _write_nuscenes_meta(folder: Path, uses: tuple[str, ...]) -> None:
    if unknown := [name for name in uses if name not in INPUTS]:
        raise BadRequest(f"uses: expected some of {', '.join(INPUTS)}, found {', '.join(unknown)}.")
    meta = {f"use_{name}": name in uses for name in INPUTS}
    write_text(folder / "submission.json", json.dumps({"meta": meta}, indent=1))


def _evaluation_set(source: DataSource) -> str:
    if source.split in _EVALUATION_SETS:
        return source.split
    return _SET_OF_VERSION.get(source.version, "val")


def _write_semantic_kitti(
    out: Path, source: DataSource, dataset: SampleSource, index: int, sample: Sample, class_id: np.ndarray
) -> None:
    """sequences/<sequence>/predictions/<scan>.label: uint32 raw ids."""
    raw_of_class = np.array([SEMANTIC_KITTI_RAW_OF_CLASS[name] for name in SEMANTIC_KITTI_19.names], np.uint32)
    sequence, _, scan = sample.name.partition("/")
    write_bytes(out / "sequences" / sequence / "predictions" / f"{scan}.label", raw_of_class[class_id].tobytes())


def _packed(out: Path) -> Path:
    """The folder as a zip with an entry for each folder, which SemanticKITTI's validator asks for."""
    path = out.with_name(f"{out.name}.zip")
    with atomic_writer(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in sorted(out.rglob("*")):
            packed.write(entry, entry.relative_to(out))
    return path
