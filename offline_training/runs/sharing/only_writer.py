"""A run's folder has one writer at a time; readers need no leave. Touches the disk."""

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from lidar_vl_core.foundation.errors import BadRequest

_NAME = ".lock"
_MOST_TRIES, _PAUSE_S = 200, 0.005  # others that come and go take less
_log = logging.getLogger(__name__)


@contextmanager
def only_writer(checkpoints: Path) -> Iterator[None]:
    """Be the one that writes a run with this folder of checkpoints. Raises BadRequest that says who else does.

    The lock ends with the process, however it ends. What is empty afterwards and was not there before is gone.
    """
    made = [folder for folder in (checkpoints, *checkpoints.parents) if not folder.exists()]
    with _taken(checkpoints) as lock:
        try:
            _tell(lock, checkpoints)
            yield
        finally:
            (checkpoints / _NAME).unlink(missing_ok=True)
            with suppress(OSError):
                for folder in made:
                    folder.rmdir()


def _taken(checkpoints: Path) -> IO[str]:
    path = checkpoints / _NAME
    for _ in range(_MOST_TRIES):
        try:
            checkpoints.mkdir(parents=True, exist_ok=True)
            lock = path.open("a+")
        except FileNotFoundError:  # the one before has just cleared up, or it is a place such as /proc
            time.sleep(_PAUSE_S)
            continue
        except OSError as error:
            raise BadRequest(
                f"{checkpoints}: expected a writable folder, found: {error}. Choose another `out`."
            ) from error
        try:
            _lock(lock, checkpoints)
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        except FileNotFoundError:  # the one before has removed it on its way out
            pass
        except BaseException:
            lock.close()
            raise
        lock.close()
    raise BadRequest(
        f"{checkpoints}: expected a folder that can be made, found that it is gone each time it was made. Choose another `out`."
    )


def _lock(lock: IO[str], checkpoints: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadRequest(
            f"{checkpoints.parent}: expected a run that nobody else writes, found {_holder(lock)} at work. "
            "Wait for its end, stop it, or choose another `out`."
        ) from error
    except OSError as error:
        _log.warning(
            "%s: the file system does not support locks (%s): make sure no second run writes here", checkpoints, error
        )


def _tell(lock: IO[str], checkpoints: Path) -> None:
    """Write who holds the lock. Raises BadRequest where there is no room: nothing else could be written either."""
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now().isoformat(" ", "seconds")}
    try:
        os.ftruncate(lock.fileno(), 0)
        os.write(
            lock.fileno(), json.dumps(holder).encode()
        )  # at once: a buffer would be written again when it is closed
    except OSError as error:
        raise BadRequest(
            f"{checkpoints}: expected room for a run, found: {error.strerror}. Free space, or choose another `out`."
        ) from error


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    try:
        told = json.loads(lock.read())
        return f"process {int(told['pid'])} on {str(told['host'])[:64]!r} since {str(told['since'])[:19]}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "a process that has just started"
