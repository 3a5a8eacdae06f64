"""OpenScene's .pth files: a scene as a tuple of points, colours and labels, read without running what they contain."""

from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.saved_arrays import as_array, load_saved_arrays

_UNLABELLED = -100


def read_scene_file(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """xyz_m (N, 3) float32; rgb (N, 3) uint8 or None; raw labels (N,) int64, 255 = none, or None. Raises BadDataset.

    Colours are stored as -1..1 or, where there are none, as the number 0; tuples of hidden test splits have no labels.
    """
    parts = load_saved_arrays(path, "a tuple of arrays")
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
        raise _unexpected(path, f"{type(parts).__name__} of {len(parts) if hasattr(parts, '__len__') else 1}")
    xyz_m = _numbers(path, parts[0]).astype(np.float32)
    if xyz_m.ndim != 2 or xyz_m.shape[1] != 3:
        raise _unexpected(path, f"points of shape {xyz_m.shape}")
    colors = _numbers(path, parts[1])
    rgb = None if colors.ndim == 0 else _rgb(path, colors, xyz_m.shape)
    if len(parts) == 2:
        return xyz_m, rgb, None
    raw = _numbers(path, parts[2])
    if raw.shape != (len(xyz_m),):
        raise _unexpected(path, f"{raw.shape} labels for {len(xyz_m)} points")
    labels = raw.astype(np.int64)
    return xyz_m, rgb, np.where(labels == _UNLABELLED, IGNORE_ID, labels)


def _rgb(path: Path, colors: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if colors.shape != shape or not (np.abs(colors) <= 1.0 + 1e-6).all():
        raise _unexpected(path, f"colours of shape {colors.shape} up to {np.abs(colors).max(initial=0.0):g}")
    return np.clip(np.rint((colors.astype(np.float64) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def _numbers(path: Path, part: Any) -> np.ndarray:  # noqa: ANN401
    values = as_array(part)
    if values.dtype.kind not in "fiu":
        raise _unexpected(path, f"{values.dtype} among its parts")
    return values


def _unexpected(path: Path, found: str) -> BadDataset:
    return BadDataset(
        f"{path}: expected (points (N, 3), colours (N, 3) in -1..1 or 0, labels (N,)), the last only where known, "
        f"found {found}. Write it as OpenScene's preprocessing does."
    )
