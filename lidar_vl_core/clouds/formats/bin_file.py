"""Headless .bin files of float32 columns: KITTI's, nuScenes' and others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.bin_columns import checked_columns, guessed_columns
from lidar_vl_core.clouds.formats.fields import position_names
from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS
from lidar_vl_core.foundation.errors import BadCloudFile

_FARTHEST_M = 1e5  # beyond any LiDAR: numbers like these are other data read as float32
_TINIEST_M = 1e-9  # below any resolution but 0: the same
_MOST_TINY = 0.05
_MOST_GUESSED = 6  # columns


def read_bin(path: Path, columns: Sequence[str] | None) -> dict[str, np.ndarray]:
    """The columns of a .bin, name -> (N,) float32. columns: their names, `_` to skip one; None guesses them.

    Raises BadCloudFile.
    """
    size = path.stat().st_size
    if size % 4:
        raise BadCloudFile(
            f"{path}: expected float32 numbers of 4 bytes, found {size} bytes. The file is truncated, or it holds another type."
        )
    most = MAX_POINTS * (_MOST_GUESSED if columns is None else len(columns))
    if size // 4 > most:
        raise BadCloudFile(f"{path}: expected at most {most} numbers, found {size // 4}. Split the file.")
    numbers = np.fromfile(path, "<f4")
    if columns is None:
        _require_metres(path, numbers)
        names = guessed_columns(path, numbers)
    else:
        names = tuple(columns)
        checked_columns(path, names, len(numbers))
    points = numbers.reshape(-1, len(names))
    fields = {name: points[:, k].copy() for k, name in enumerate(names) if name != "_"}
    _require_metres(path, np.concatenate([fields[name] for name in position_names(fields) or ()]))
    return fields


def _require_metres(path: Path, numbers: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        size = np.abs(numbers)
        far = numbers.size - np.count_nonzero(size < _FARTHEST_M)
        tiny = np.count_nonzero((size > 0) & (size < _TINIEST_M))
    if far * 2 > numbers.size or tiny > _MOST_TINY * numbers.size:
        raise BadCloudFile(
            f"{path}: expected float32 coordinates in metres, found {far} of {numbers.size} numbers beyond 100 km or not "
            f"finite, and {tiny} smaller than an atom. It holds another type, such as float64 or integers: convert it to float32."
        )
