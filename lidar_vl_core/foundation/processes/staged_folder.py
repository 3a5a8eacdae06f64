"""A folder built next to its final place and swapped in at once for what is there. Touches the disk."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from lidar_vl_core.foundation.processes.held_locks import abandoned, take_new

_SUFFIX = ".staged"
_RANDOM = "?" * 8  # as many as tempfile draws
_NEW, _OLD = "new", "old"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux, <fcntl.h> and <linux/fs.h>


@contextmanager
def staged_folder(place: Path) -> Iterator[Path]:
    """Give an empty folder to fill; only when all went well it takes its place. Raises OSError; the place is then as it was.

    At every moment the place holds the old folder or the new one. Where the file system cannot exchange two folders there
    is a moment without; of a process that is killed in it, the next that clears the place puts the old one back.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary, descriptor = _own_temporary(place)
    try:
        staged = temporary / _NEW
        staged.mkdir()
        yield staged
        if not place.exists():
            os.replace(staged, place)
        elif not exchanged(staged, place):
            os.replace(place, temporary / _OLD)
            os.replace(staged, place)
    finally:
        try:
            _clear(temporary, place)
        finally:
            os.close(descriptor)


def clear_staged(place: Path) -> None:
    """Remove what killed processes left beside the place, but nothing that is still in use. Raises OSError."""
    for temporary in place.parent.glob(f".{escape(place.name)}.{_RANDOM}{_SUFFIX}"):
        with abandoned(temporary) as is_abandoned:
            if is_abandoned:
                _clear(temporary, place)


def exchanged(one: Path, other: Path) -> bool:
    """Swap two folders of one file system atomically; False where the system cannot. Raises OSError."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _own_temporary(place: Path) -> tuple[Path, int]:
    """A new neighbour of the place, held by the descriptor until it is closed."""
    while True:
        temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.", suffix=_SUFFIX))
        with suppress(FileNotFoundError):
            descriptor = os.open(temporary, os.O_RDONLY)
            if take_new(temporary, descriptor):
                return temporary, descriptor
            os.close(descriptor)


def _clear(temporary: Path, place: Path) -> None:
    """Remove a temporary folder; an earlier result in it first goes back to its place where nothing is there."""
    if (temporary / _OLD).is_dir() and not place.exists():
        os.replace(temporary / _OLD, place)
    shutil.rmtree(temporary, ignore_errors=True)
