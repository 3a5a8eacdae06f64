"""Numbers written as text, as ascii .pcd and .ply files hold them."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadCloudFile

# Microsoft's run-time library writes infinity as 1.#INF, and NaN as 1.#QNAN, -1.#IND or, rounded to few digits, 1.#R.
_WINDOWS_INF = re.compile(rb"([+-]?)\d\.#INF\d*", re.IGNORECASE)
_WINDOWS_NAN = re.compile(rb"[+-]?(\d\.#\w+|nan\(\w*\))", re.IGNORECASE)
_GRAIN = 1e-3


def numbers_of_words(path: Path, words: Sequence[bytes]) -> np.ndarray:
    """The numbers in these words, (len(words),) float64. Raises BadCloudFile."""
    try:
        return np.array(words, np.float64)
    except ValueError:  # only now: the search takes as long as the reading
        words = [_plain(word) for word in words]
    try:
        return np.array(words, np.float64)
    except ValueError as error:
        raise BadCloudFile(f"{path}: expected numbers, found {str(error)[:80]}. The file is damaged.") from error


def as_declared(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of a text in the type that its header names, (...) float64 -> (...).

    A text may hold more digits than the float32 it is declared as, such as map coordinates: those stay float64.
    """
    # NaN and what is out of range have no meaning as integers; both come from damaged files only.
    with np.errstate(invalid="ignore", over="ignore"):
        values = numbers.astype(dtype)
        if dtype == np.float32 and np.any(np.abs(values - numbers) > _GRAIN):
            return numbers
    return values


def _plain(word: bytes) -> bytes:
    if infinite := _WINDOWS_INF.fullmatch(word):
        return infinite[1] + b"inf"
    return b"nan" if _WINDOWS_NAN.fullmatch(word) else word
