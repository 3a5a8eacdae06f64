"""numpy's .npz and .npy files from anywhere: every size is held against the file and a budget before memory is taken."""

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

_MOST_MEMBERS = 1024
_MOST_DIMENSIONS = 8
_HEAD_BYTES = 1 << 16
_END_BYTES = 22  # a zip file's last record, behind which a comment may stand
_MOST_COMMENT = 1 << 16
_MOST_DIRECTORY_BYTES = 1 << 20
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes


def load_plain_arrays(source: Path | BytesIO, most_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, at most `most_bytes` together; members that are no .npy are left out.

    Raises ValueError that says in one line what was found, whatever is wrong with the content; OSError where it cannot be read.
    """
    with _opened(source) as file:
        return _arrays(file, most_bytes)


def load_plain_array(source: Path, most_bytes: int) -> np.ndarray:
    """The array of an .npy of at most `most_bytes`. Raises ValueError and OSError as `load_plain_arrays` does."""
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


def _arrays(file: BinaryIO, most_bytes: int) -> dict[str, np.ndarray]:
    _require_small_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        if len(members) > _MOST_MEMBERS or len(names) != len(members):
            raise ValueError(f"{len(members)} members of {len(names)} names, where up to {_MOST_MEMBERS} are read")
        size = sum(member.file_size for member in members)
        if size > most_bytes:
            raise ValueError(f"{size} bytes unpacked, where up to {most_bytes} are read")
        return {
            member.filename.removesuffix(".npy"): _member(archive, member)
            for member in members
            if member.filename.endswith(".npy")
        }


def _require_small_directory(file: BinaryIO) -> None:
    """zipfile makes an object of every entry that the directory has room for, so its length is looked at first."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MOST_COMMENT - _END_BYTES))
    tail = file.read()
    at = len(tail) - _END_BYTES
    if tail[-_END_BYTES:][:4] != b"PK\5\6":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END_BYTES:
        raise ValueError("no zip file, or a cut one")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > _MOST_DIRECTORY_BYTES or tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise ValueError(f"a directory longer than {_MOST_DIRECTORY_BYTES} bytes")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = repr(member.filename[:40])
    if member.compress_type not in _KINDS:
        raise ValueError(f"{name} packed in another way than numpy's")
    with archive.open(member) as stream:
        array = _array(stream, member.file_size, name)
        stream.read(1)  # the end, where zipfile compares the checksum
        return array


def _array(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """The array of a stream of so many bytes."""
    stream.seek(0)
    _require_size_of_header(BytesIO(stream.read(_HEAD_BYTES)), size, name)
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _require_size_of_header(start: BytesIO, size: int, name: str) -> None:
    version = np.lib.format.read_magic(start)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(start)
    else:
        raise ValueError(f"{name} of .npy version {version}, where 1.0 and 2.0 are read")
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError(f"{name} of {str(dtype)[:40]}, where plain numbers and words are read")
    if len(shape) > _MOST_DIMENSIONS or any(side < 0 or side > size for side in shape):
        raise ValueError(f"{name} of {len(shape)} dimensions and sides that its {size} bytes cannot have")
    needed = math.prod(shape) * dtype.itemsize
    if needed != size - start.tell():
        raise ValueError(f"{name} with {size - start.tell()} bytes, where its header tells of {needed}")
