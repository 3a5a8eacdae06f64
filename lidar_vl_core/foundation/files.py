"""Files that are never half-written, their hashes, and small files read at once. Touches the disk."""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.processes.held_locks import abandoned, take_new

_MAX_TEXT_BYTES = 1 << 23
_MAX_JSON_BYTES = 1 << 25


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of `path` for writing and move it there, synced, only when all went well.

    Raises BadRequest where it cannot be written.
    """
    require_no_device(path)
    parent = path.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        handle = _own_temporary(path)
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path}: expected a writable place, found: {error}. Choose another path.") from error
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            os.chmod(handle.name, 0o644)
            os.replace(handle.name, path)  # still held: nobody takes it for a stray
    except BaseException as error:
        Path(handle.name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BadRequest(f"{path}: could not be written: {error}. Free space or choose another path.") from error
        raise
    _sync_folder(parent)


def require_no_device(path: Path) -> None:
    """Raise BadRequest for a device or a pipe, such as /dev/null: a file in its place would break the machine for everybody."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # nothing there; what cannot be is told when it is opened
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadRequest(f"{path}: expected a file or none, found a device or a pipe. Choose another path.")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_writer(path) as handle:
        handle.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 text file atomically; what is not valid UTF-8, as in some file names, is escaped."""
    write_bytes(path, content.encode(errors="backslashreplace"))


def read_small_text(path: Path, encoding: str = "utf-8") -> str:
    """A text file of at most 8 MiB, such as the labels of one scan. Raises OSError, and ValueError that is short."""
    return _read_within(path, _MAX_TEXT_BYTES).decode(encoding)


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """The content of a JSON file of at most 32 MiB, whose values may take twenty times as much. Raises OSError and ValueError."""
    content = _read_within(path, _MAX_JSON_BYTES)
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("lists within lists within lists") from error


def _read_within(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as handle:
        content = handle.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"more than {most_bytes} bytes")
    return content


def remove_stray_temporaries(folder: Path) -> int:
    """Remove what killed writers of this module left in a folder, not files still being written; returns how many were removed."""
    removed = 0
    for path in folder.glob(".*.tmp"):
        with abandoned(path) as is_abandoned:
            if is_abandoned and path.is_file():
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _own_temporary(path: Path) -> IO[bytes]:
    """A new neighbour of `path`, held until it is closed."""
    while True:
        handle = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False)  # noqa: SIM115
        if take_new(Path(handle.name), handle.fileno()):
            return handle
        handle.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
