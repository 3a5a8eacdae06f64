"""Locks on files and folders that end with the process that holds them, so that leftovers of killed processes can be recognised. Touches the disk."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def take(descriptor: int) -> bool:
    """Take the lock of an open file or folder; False where another holds it, or the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def take_new(path: Path, descriptor: int) -> bool:
    """Take the lock of what was just made at `path`; False where another process has removed it before that."""
    take(descriptor)
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for all others that are in such a block for the folder; without locks in the file system nobody waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether nobody holds a file or folder; then it is held inside the block. Never of a link or of what cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        yield take(descriptor)
    finally:
        os.close(descriptor)
