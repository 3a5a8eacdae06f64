"""Fused features in OpenScene's files: the current format with two keys and the older one with three. Touches the disk.

<scene>.pt, or <scene>_0.pt, <scene>_1.pt ... for parts of a scene
two keys    feat (n, C), row i of the i-th True of mask_full (N,) bool
three keys  feat (m, C) of the m Trues of mask_full, mask: which of these rows are visible, as indices or bool
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.saved_arrays import as_array, load_saved_arrays
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.scene_features import SceneFeatures, points_sha256, scene_sha256
from offline_training.words.scenes.voxel_rows import voxel_rows


@dataclass(frozen=True, eq=False)
class FusedFeatures:
    """Features of the points seen by at least one view, as OpenScene stores them."""

    feature: np.ndarray  # (n, C) float16
    visible: np.ndarray  # (N,) bool, n of them true


def fused_files(folder: Path, scene: str) -> list[Path]:
    """The file of a scene, or the files of its parts. Raises BadDataset if there are none."""
    stem = scene.rsplit("/", 1)[-1]
    whole = folder / f"{stem}.pt"
    part = re.compile(re.escape(stem) + r"_(\d+)\.pt")
    parts = {int(found[1]): path for path in folder.glob("*.pt") if (found := part.fullmatch(path.name))}
    if not whole.is_file() and not parts:
        raise BadDataset(
            f"{scene}: expected {whole} or {stem}_0.pt there, found neither. Unpack the features of this scene there, "
            "or correct the folder."
        )
    return [whole] if whole.is_file() else [parts[number] for number in sorted(parts)]


def read_fused(paths: Sequence[Path], points: int) -> FusedFeatures:
    """The features of a scene of `points` points; a point in several parts takes its feature from the first.

    Raises BadDataset for a file that is damaged or of another cloud, as some released ones were (openscene issue 29).
    """
    visible = np.zeros(points, bool)
    index, rows = [], []
    for path in paths:
        of_part, feature = _part(path, points)
        new = ~visible[of_part]
        visible[of_part] = True
        index.append(of_part[new])
        rows.append(feature[new])
    if len({each.shape[1] for each in rows}) > 1:
        raise BadDataset(
            f"{paths[0]} and its other parts: expected one number of channels, found "
            f"{sorted({each.shape[1] for each in rows})}. "
            "They come from different models: unpack all parts again."
        )
    order = np.argsort(np.concatenate(index))
    return FusedFeatures(np.concatenate(rows)[order], visible)


def from_fused(fused: FusedFeatures, sample: Sample, config: ExtractConfig) -> SceneFeatures:
    """OpenScene's features in the form of a store: averaged over voxels if configured; views are unknown."""
    row, _ = voxel_rows(sample.cloud.measured_xyz_m(), config.voxel_m)
    seen = np.flatnonzero(fused.visible & (row >= 0))
    place = np.cumsum(fused.visible) - 1
    used, row_of_seen = np.unique(row[seen], return_inverse=True)
    sums = np.zeros((len(used), fused.feature.shape[1]), np.float32)
    np.add.at(sums, row_of_seen, fused.feature[place[seen]].astype(np.float32))
    row_of_point = np.full(len(fused.visible), -1, np.int32)
    row_of_point[seen] = row_of_seen
    count = np.bincount(row_of_seen, minlength=len(used))[:, None]
    mean = (sums / np.maximum(count, 1)).astype(np.float16)
    no_views = np.zeros((len(used), 0), np.uint8)
    return SceneFeatures(mean, row_of_point, no_views, (), (), scene_sha256(sample), points_sha256(sample))


def _part(path: Path, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n,) int64, ascending, and their features (n, C) float16, of one file."""
    content = load_saved_arrays(path, "a dict with feat and mask_full")
    if not isinstance(content, dict) or not {"feat", "mask_full"} <= set(content):
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise _unexpected(path, "a dict with feat and mask_full", found)
    feature, of_part = _feature(path, content["feat"]), as_array(content["mask_full"])
    if of_part.dtype.kind not in "bu" or of_part.ndim != 1:
        raise _unexpected(path, "mask_full (N,) bool", f"{of_part.dtype} of shape {of_part.shape}")
    if len(of_part) != points:
        raise BadDataset(
            f"{path}: expected a mask of {points} points, as in the cloud, found {len(of_part)}. The features belong "
            "to another version of the cloud: use the points they came with."
        )
    index = np.flatnonzero(of_part)
    if len(feature) != len(index):
        raise _unexpected(path, f"{len(index)} rows in feat, one for each True of mask_full", str(len(feature)))
    if "mask" in content:
        chosen = _chosen(path, content["mask"], len(index))
        index, feature = index[chosen], feature[chosen]
    return index, feature


def _feature(path: Path, stored: Any) -> np.ndarray:  # noqa: ANN401
    feature = as_array(stored)
    if feature.ndim == 3:
        feature = feature[..., 0]
    if feature.ndim != 2 or feature.dtype.kind != "f" or not np.isfinite(feature).all():
        raise _unexpected(path, "feat (n, C) of finite numbers", f"{feature.dtype} of shape {feature.shape}")
    return feature.astype(np.float16)


def _chosen(path: Path, stored: Any, rows: int) -> np.ndarray:  # noqa: ANN401
    """Ascending indices of the rows that a mask selects."""
    mask = as_array(stored).reshape(-1)
    if mask.dtype == bool and len(mask) == rows:
        return np.flatnonzero(mask)
    whole = mask.dtype.kind in "iu" or not len(mask)
    if mask.dtype != bool and whole and (not len(mask) or (mask.min() >= 0 and mask.max() < rows)):
        return np.unique(mask.astype(np.int64))
    raise _unexpected(path, f"mask as bool ({rows},) or as indices below {rows}", f"{mask.dtype} of {len(mask)}")


def _unexpected(path: Path, expected: str, found: str) -> BadDataset:
    return BadDataset(
        f"{path}: expected {expected}, found {found}. The file is damaged, or not from OpenScene's fusion: unpack it again."
    )
