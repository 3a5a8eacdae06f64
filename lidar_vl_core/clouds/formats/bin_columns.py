"""Which columns a headless .bin of float32 numbers has: judged by its numbers, never by its size alone.

Each column of a sweep has its own spread: heights are no ranges, intensities are not negative, rings are few. So the place
of a number within its point tells something about its value. How much, in nats, is the mutual information of value and
place; it is largest for the right number of columns, whatever the order of the points.
"""

from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.fields import position_names
from lidar_vl_core.foundation.errors import BadCloudFile

OPTION = "Name the columns with --columns, such as x,y,z,intensity,ring (`_` skips a column)."
_NUSCENES = ("x", "y", "z", "intensity", "ring")
_MOST_COLUMNS = 16  # looked for; 3 to 6 are read
_BINS = 16
_BLOCKS, _BLOCK = 64, 1024  # numbers looked at
_NEAR_BEST = 0.75  # a smaller number of columns that tells as much is the right one; another one is a tie
_LEAST_NATS = 0.05
_NOISE_NATS = 120.0  # over the count of numbers: more than chance gives to any number of columns
_HIGHEST_RING = 1023


def guessed_columns(path: Path, numbers: np.ndarray) -> tuple[str, ...]:
    """Names of the columns of a .bin with these float32 numbers (M,): x, y, z, then intensity, ring and others.

    `.pcd.bin` (nuScenes) has 5 where its numbers do not say otherwise. Raises BadCloudFile that names the option.
    """
    named = path.name.lower().endswith(".pcd.bin")
    count = 5 if named else 0
    likely = _likely_counts(numbers)
    if likely and not (named and 5 in likely):
        if len(likely) > 1 or named:
            found = f"numbers that look like {' or '.join(map(str, likely))}"
            _refuse(path, "5 columns, as nuScenes has" if named else "one number of columns", found)
        count = likely[0]
    if not likely and not named:
        found = f"{len(numbers)} that are too few or too uniform to tell"
        _refuse(path, "numbers that show how many columns a point has", found)
    if not 3 <= count <= 6:
        _refuse(path, "points of 3 to 6 float32 columns", f"what looks like {count}")
    if len(numbers) % count:
        raise BadCloudFile(
            f"{path}: expected points of {4 * count} bytes ({count} float32 columns), found {4 * len(numbers)} bytes. "
            f"The file is truncated, or it has other columns. {OPTION}"
        )
    return _NUSCENES if named else _names(path, numbers.reshape(-1, count))


def checked_columns(path: Path, columns: tuple[str, ...], numbers: int) -> None:
    """Refuse given columns that lack x, y or z or do not fit the file. Raises BadCloudFile."""
    names = [name for name in columns if name != "_"]
    if position_names(names) is None or len(set(names)) != len(names) or not all(names):
        raise BadCloudFile(
            f"{path}: columns {','.join(columns)[:80]}: expected different names, x, y and z among them. {OPTION}"
        )
    if numbers % len(columns):
        raise BadCloudFile(
            f"{path}: expected points of {4 * len(columns)} bytes ({','.join(columns)[:80]}), found {4 * numbers} bytes. "
            "The file is truncated, or it has other columns."
        )


def doubted_columns(path: Path, columns: int) -> str | None:
    """A sentence for people where the numbers of a .bin show points of another number of columns than was named."""
    likely = _likely_counts(np.fromfile(path, "<f4"))
    if not likely or any(columns % count == 0 for count in likely):
        return None
    return f"--columns names {columns}, but the numbers look like points of {' or '.join(map(str, likely))}."


def _likely_counts(numbers: np.ndarray) -> list[int]:
    """Counts of columns that explain the numbers, the least first; none where chance explains them as well."""
    at = np.arange(len(numbers))
    if len(numbers) > _BLOCKS * _BLOCK:
        starts = np.linspace(0, len(numbers) - _BLOCK, _BLOCKS).astype(np.int64)
        at = (starts[:, None] + np.arange(_BLOCK)).reshape(-1)
    at = at[
        np.isfinite(numbers[at]) & (numbers[at] != 0)
    ]  # lost returns are zeros, and may be lost in a pattern of their own
    sample = numbers[at]
    ordered = np.sort(sample)
    if not len(ordered):
        return []
    edges = np.unique(ordered[np.arange(1, _BINS) * len(ordered) // _BINS])
    value = np.searchsorted(edges, sample, side="right")
    nats = {count: _information(value, at % count) for count in range(2, _MOST_COLUMNS + 1)}
    most = max(nats.values())
    if most < _LEAST_NATS + _NOISE_NATS / len(sample):
        return []
    near = [count for count, found in nats.items() if found >= _NEAR_BEST * most]
    return [count for count in near if not any(count % less == 0 for less in near if less < count)]


def _information(value: np.ndarray, place: np.ndarray) -> float:
    """Mutual information of two kinds of small whole numbers (M,), in nats, less what chance gives."""
    joint = np.bincount(place * _BINS + value, minlength=(int(place.max()) + 1) * _BINS).reshape(-1, _BINS)
    of_place, of_value = joint.sum(1), joint.sum(0)
    chance = (np.count_nonzero(of_value) - 1) * (len(of_place) - 1) / (2 * len(value))
    return _entropy(of_place) + _entropy(of_value) - _entropy(joint.reshape(-1)) - chance


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _names(path: Path, points: np.ndarray) -> tuple[str, ...]:
    further = [points[:, k] for k in range(3, points.shape[1])]
    if not further:
        return ("x", "y", "z")
    if np.mean(further[0] < 0) > 0.01 or (len(points) > 1 and _is_time(further[0])):
        _refuse(path, f"an intensity as 4th of {points.shape[1]} columns", "negative numbers, or times")
    if len(further) == 3 and (all(map(_is_byte, further)) or all(map(_is_share, further))):
        _refuse(path, "an intensity and two other columns behind x, y and z", "what may be colours as well")
    if (
        len(further) > 1
        and _is_ring(further[0])
        and 0 < further[0].max() <= 127
        and not _is_ring(further[1])
        and not _is_time(further[1])
    ):
        _refuse(path, "the intensity before the ring", "what looks like the ring before it")
    names = ["x", "y", "z", "intensity"]
    for place, column in enumerate(further[1:], 5):
        names.append("ring" if "ring" not in names and _is_ring(column) else f"column_{place}")
    return tuple(names)


def _is_ring(column: np.ndarray) -> bool:
    return bool(np.all((column >= 0) & (column <= _HIGHEST_RING) & (column == np.floor(column))))


def _is_byte(column: np.ndarray) -> bool:
    return _is_ring(column) and bool(column.max() <= 255)


def _is_share(column: np.ndarray) -> bool:
    return bool(np.all((column >= 0) & (column <= 1))) and not _is_ring(column)


def _is_time(column: np.ndarray) -> bool:
    return bool(column[-1] > column[0] and np.all(np.diff(column) >= 0))


def _refuse(path: Path, expected: str, found: str) -> None:
    raise BadCloudFile(f"{path}: expected {expected}, found {found}. {OPTION}")
