"""numpy's .npz and .npy files from anywhere: every size is checked against the file and a limit before memory is allocated.

Any number of threads may read at once: headers are read here, since numpy takes Python's `ast` for them, which before 3.11.8 is
not made for several threads (python/cpython#106905).
"""

import math
import os
import re
import zipfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, Literal

import numpy as np

_MOST_MEMBERS = 1024
_MOST_DIMENSIONS = 8
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # by version: of the header's length
_MOST_HEADER = 1 << 14
_HEADER = re.compile(
    r"\{'descr': '([<>|=]?\w\d*)', *'fortran_order': (True|False), *'shape': \(([\d, ]{0,200})\),? *\}\s*", re.ASCII
)
_PIECE_BYTES = 1 << 20
_END_BYTES = 22  # a zip file's last record, behind which a comment may stand
_MOST_COMMENT = 1 << 16
_MOST_DIRECTORY_BYTES = 1 << 20
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes


def load_plain_arrays(
    source: Path | BytesIO, most_bytes: int, names: Container[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, at most `most_bytes` together; members that are not .npy are left out.

    names: read these alone, as far as they are there; None: all.
    Raises ValueError that says in one line what was found, whatever is wrong with the content; OSError where it cannot be read.
    Shapes are as written.
    """
    with _opened(source) as file:
        return _arrays(file, most_bytes, names)


def load_plain_array(source: Path, most_bytes: int) -> np.ndarray:
    """The array of an .npy of at most `most_bytes`, its shape as written.

    Raises ValueError and OSError as `load_plain_arrays` does.
    """
    with _opened(source) as file:
        size = file.seek(0, os.SEEK_END)
        if size > most_bytes:
            raise ValueError(f"{size} bytes, where up to {most_bytes} are read")
        return _array(file, size, "the array")


@contextmanager
def _opened(source: Path | BytesIO) -> Iterator[BinaryIO]:
    try:
        if isinstance(source, BytesIO):
            yield source
        else:
            with source.open("rb") as file:
                yield file
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}") from error


def _arrays(file: BinaryIO, most_bytes: int, wanted: Container[str] | None) -> dict[str, np.ndarray]:
    _require_small_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        if len(members) > _MOST_MEMBERS or len(names) != len(members):
            raise ValueError(f"{len(members)} members of {len(names)} names, where up to {_MOST_MEMBERS} are read")
        size = sum(member.file_size for member in members)
        if size > most_bytes:
            raise ValueError(f"{size} bytes unpacked, where up to {most_bytes} are read")
        found = {member.filename.removesuffix(".npy"): member for member in members if member.filename.endswith(".npy")}
        return {name: _member(archive, found[name]) for name in found if wanted is None or name in wanted}


def _require_small_directory(file: BinaryIO) -> None:
    """zipfile makes an object of every entry that the directory has room for, so its length is looked at first."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MOST_COMMENT - _END_BYTES))
    tail = file.read()
    at = len(tail) - _END_BYTES
    if tail[-_END_BYTES:][:4] != b"PK\5\6":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END_BYTES:
        raise ValueError("not a zip file, or a truncated one")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > _MOST_DIRECTORY_BYTES or tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise ValueError(f"a directory longer than {_MOST_DIRECTORY_BYTES} bytes")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = repr(member.filename[:40])
    if member.compress_type not in _KINDS:
        raise ValueError(f"{name} compressed in a way numpy does not use")
    with archive.open(member) as stream:
        array = _array(stream, member.file_size, name)
        stream.read(1)  # the end, where zipfile compares the checksum
        return array


def _array(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """The array of a stream of so many bytes."""
    stream.seek(0)
    dtype, order, shape, start = _header(stream, name)
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError(f"{name} of {str(dtype)[:40]}, where plain numbers and words are read")
    if len(shape) > _MOST_DIMENSIONS or any(side > size for side in shape):
        raise ValueError(f"{name} of {len(shape)} dimensions and sides that its {size} bytes cannot have")
    needed = math.prod(shape) * dtype.itemsize
    if needed != size - start:
        raise ValueError(f"{name} with {size - start} bytes, where its header tells of {needed}")
    array = np.empty(math.prod(shape), dtype)
    _fill(array.view(np.uint8), stream, name)
    return array.reshape(shape, order=order)


def _header(stream: IO[bytes], name: str) -> tuple[np.dtype, Literal["C", "F"], tuple[int, ...], int]:
    """Type, order and shape of an .npy, and at which byte its numbers begin."""
    magic = stream.read(len(_MAGIC) + 2)
    version = tuple(magic[len(_MAGIC) :])
    if magic[: len(_MAGIC)] != _MAGIC or version not in _LENGTH_BYTES:
        raise ValueError(f"{name} that begins with {magic!r}, where .npy of version 1.0 and 2.0 are read")
    length = int.from_bytes(stream.read(_LENGTH_BYTES[version]), "little")
    if length > _MOST_HEADER:
        raise ValueError(f"{name} with a header of {length} bytes, where up to {_MOST_HEADER} are read")
    text = stream.read(length).decode("latin1")
    told = _HEADER.fullmatch(text)
    if told is None:
        raise ValueError(f"{name} with the header {text[:80]!r}, where plain numbers and words are read")
    sides = tuple(int(side) for side in told[3].split(",") if side.strip())
    return np.dtype(told[1]), "F" if told[2] == "True" else "C", sides, stream.tell()


def _fill(octets: np.ndarray, stream: IO[bytes], name: str) -> None:
    at = 0
    while at < len(octets):
        piece = stream.read(min(_PIECE_BYTES, len(octets) - at))
        if not piece:
            raise ValueError(f"{name} that ends after {at} of {len(octets)} bytes")
        octets[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
