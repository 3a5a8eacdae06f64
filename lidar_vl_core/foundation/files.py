"""Files that are never half-written, and their hashes. Touches the disk."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.processes.held_locks import abandoned, take_new


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of `path` for writing and move it there, synced, only when all went well."""
    parent = path.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        handle = _own_temporary(path)
    except OSError as error:
        raise BadRequest(
            f"{path}: expected a place that can be written, found: {error}. Choose another path."
        ) from error
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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_writer(path) as handle:
        handle.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def remove_stray_temporaries(folder: Path) -> int:
    """Remove what killed writers of this module left in a folder, not what others still write; returns how many files went."""
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
