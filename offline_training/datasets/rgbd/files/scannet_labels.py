"""Labels and segments of a ScanNet scene, one per vertex of its mesh."""

import csv
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lidar_vl_core.clouds.ply import read_ply
from lidar_vl_core.foundation.errors import BadCloudFile, BadDataset
from lidar_vl_core.foundation.files import read_json

TABLE_NAME = "scannetv2-labels.combined.tsv"
_LARGEST_NYU40 = 40

LabelIds = Literal["nyu40id", "id"]  # columns of the table of names


def read_labels(
    scene: Path, name: str, table: Path | None, points: int, ids: LabelIds = "nyu40id"
) -> np.ndarray | None:
    """(N,) int64 ids, 0 = unlabelled; None for a scene without labels, as those of the test split.

    NYU40's are those of `*_vh_clean_2.labels.ply`, else of segments, their groups and the table of all names; its own, which
    ScanNet200 has, are of the latter alone. Raises BadDataset.
    """
    labelled = scene / f"{name}_vh_clean_2.labels.ply"
    groups = scene / f"{name}.aggregation.json"  # of the mesh that is read here; _vh_clean's belongs to the finer one
    if labelled.exists() and ids == "nyu40id":
        raw = _label_property(labelled)
    elif groups.exists() and table is not None:
        raw = _from_groups(groups, read_segments(scene, name, points), table, points, ids)
    elif ids == "id" and (groups.exists() or labelled.exists()):
        raise BadDataset(
            f"{scene}: expected {name}.aggregation.json, its *_vh_clean_2.*.segs.json and {TABLE_NAME} in or above the "
            "data set's folder, as the classes of scannet200 are finer than the NYU40 ids of labels.ply, found not all of "
            "them. Copy them, or use the classes scannet20."
        )
    else:
        return None
    if len(raw) != points:
        raise BadDataset(
            f"{labelled}: expected {points} labels, one per vertex of the scene's mesh, found {len(raw)}. "
            "Mesh and labels belong to different scenes, or a file is truncated."
        )
    return raw


def read_segments(scene: Path, name: str, points: int) -> np.ndarray | None:
    """(N,) int64 number of each vertex's segment, the superpoints of ScanNet; None without their file. Raises BadDataset."""
    path = next(scene.glob(f"{name}_vh_clean_2.*.segs.json"), None)
    if path is None:
        return None
    try:
        segments = np.asarray(_load(path)["segIndices"], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadDataset(
            f"{path}: expected a list `segIndices` of numbers, found: {error!r}. Copy it again."
        ) from error
    if segments.shape != (points,):
        raise BadDataset(
            f"{path}: expected {points} segment numbers, one per vertex, found shape {segments.shape}. Copy it again."
        )
    return segments


def _label_property(path: Path) -> np.ndarray:
    try:
        columns = read_ply(path)
    except (BadCloudFile, OSError) as error:
        raise BadDataset(str(error)) from error
    if "label" not in columns:
        raise BadDataset(f"{path}: expected a property `label`, found {', '.join(columns)}. Copy the file again.")
    raw = columns["label"].astype(np.int64)
    return np.where(raw > _LARGEST_NYU40, 0, raw)


def _from_groups(path: Path, segments: np.ndarray | None, table: Path, points: int, ids: LabelIds) -> np.ndarray:
    if segments is None:
        raise BadDataset(f"{path}: expected *_vh_clean_2.*.segs.json beside it, found none. Copy the scene's segments.")
    id_of = _ids_of_names(table, ids)
    raw = np.zeros(points, np.int64)
    try:
        for group in _load(path)["segGroups"]:
            raw[np.isin(segments, group["segments"])] = id_of[group["label"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadDataset(
            f"{path}: expected groups with `segments` and a `label` that {table.name} knows, found: {error!r}. "
            "Copy both again."
        ) from error
    return raw


def _ids_of_names(path: Path, ids: LabelIds) -> dict[str, int]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(handle, delimiter="\t")
            return {row["raw_category"]: int(row[ids] or 0) for row in rows}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadDataset(
            f"{path}: expected ScanNet's table with raw_category and {ids}, found: {error!r}. Download it again."
        ) from error


def _load(path: Path) -> Any:  # noqa: ANN401
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path}: expected JSON, found: {str(error)[:120]}. Copy the file again.") from error
