"""Numbers written as text, as ascii .pcd and .ply files hold them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.size_limits import MAX_FILE_BYTES
from lidar_vl_core.foundation.errors import BadCloudFile

# Microsoft's run-time library writes infinity as 1.#INF, and NaN as 1.#QNAN, -1.#IND or, rounded to few digits, 1.#R.
_WINDOWS_INF = re.compile(rb"([+-]?)\d\.#INF\d*", re.IGNORECASE)
_WINDOWS_NAN = re.compile(rb"[+-]?(\d\.#\w+|nan\(\w*\))", re.IGNORECASE)
_GRAIN = 1e-3
_BLOCK_BYTES = 1 << 20
_SHOWN = 80  # bytes of a word
_MAX_WORD_BYTES = 1 << 14


def numbers_of_text(path: Path, text: memoryview, most: int, skipped: int = 0) -> np.ndarray:
    """The numbers of a text behind so many skipped words, at most `most`, (M,) float64. Raises BadCloudFile.

    They are read block by block, as words take more memory than numbers, and room is taken for no more than the text can hold.
    """
    if most > MAX_FILE_BYTES // 8:
        raise BadCloudFile(f"{path}: expected at most {MAX_FILE_BYTES // 8} numbers, found {most}. Split the file.")
    numbers = np.empty(min(most, len(text) // 2 + 1), np.float64)
    found = 0
    for words in _blocks(path, text):
        left_out = min(skipped, len(words))
        skipped -= left_out
        part = _numbers_of_words(path, words[left_out : left_out + most - found])
        numbers[found : found + len(part)] = part
        found += len(part)
        if found == most:
            break
    return numbers[:found]


def count_words(path: Path, text: memoryview) -> int:
    """How many words a text has. Raises BadCloudFile where they are too long for numbers."""
    return sum(len(words) for words in _blocks(path, text))


def _blocks(path: Path, text: memoryview) -> Iterator[list[bytes]]:
    """The words of a text, those of a block at a time; one that a block's end cuts goes with the next block."""
    rest = b""
    for start in range(0, len(text), _BLOCK_BYTES):
        block = rest + bytes(text[start : start + _BLOCK_BYTES])
        words = block.split()
        if start + _BLOCK_BYTES < len(text) and words and not block[-1:].isspace():
            rest = words.pop()
            if len(rest) > _MAX_WORD_BYTES:
                raise BadCloudFile(
                    f"{path}: expected numbers, found a word of more than {_MAX_WORD_BYTES} bytes. The file is damaged."
                )
        else:
            rest = b""
        yield words


def _numbers_of_words(path: Path, words: Sequence[bytes]) -> np.ndarray:
    try:
        return np.array(words, np.float64)
    except ValueError:  # only now: the search takes as long as the reading
        words = [_plain(word) for word in words]
    try:
        return np.array(words, np.float64)
    except ValueError as error:
        found = next((word for word in words if not _is_number(word)), b"something else")
        shown = str(found[:_SHOWN], "ascii", "backslashreplace")
        raise BadCloudFile(f"{path}: expected numbers, found {shown!r}. The file is damaged.") from error


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def as_declared(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of a text in the type that its header gives, (...) float64 -> (...).

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
