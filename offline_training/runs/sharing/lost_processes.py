"""A process that a run needs has ended, or its memory is full: told in one line with what to do, instead of torch's words alone."""

import os
import re
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue

from lidar_vl_core.foundation.errors import LidarVlError, one_line


class LostProcess(LidarVlError):
    """A process that prepares batches, or another rank, is gone; what was saved before stays."""


_FULL = re.compile(
    r"shared memory|No space left on device|Bus error|SIGBUS|unable to (?:open|resize|mmap|allocate)", re.IGNORECASE
)
_WORKER = re.compile(r"DataLoader worker|worker process|pin memory thread", re.IGNORECASE)
_RANK = re.compile(r"gloo|nccl|connection (?:closed|reset|refused)|socket|process ?group|peer", re.IGNORECASE)


@contextmanager
def lost_processes_told() -> Iterator[None]:
    """Raise LostProcess for a RuntimeError or OSError that tells of one; everything else is raised unchanged."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        said = f"{error} {error.__cause__ or ''}"  # torch tells the signal that ended a worker only as the cause
        if told := _told(said):
            raise LostProcess(f"{told} It said: {one_line(said)[:600]}") from error
        raise


def end_where_no_batch_can_be_sent(_worker: int) -> None:
    """Called in a process that prepares batches: it ends when a batch cannot leave it.

    Left to itself multiprocessing prints what went wrong, drops the batch and goes on, and the run waits for it for ever.
    Where shared memory is full the end is the signal that the system itself sends then, which the run understands.
    """

    def end(error: Exception, _batch: object) -> None:
        traceback.print_exc()
        if _FULL.search(str(error)):
            os.kill(os.getpid(), signal.SIGBUS)
            time.sleep(5.0)  # another thread may be the one that ends the process
        os._exit(1)

    Queue._on_queue_feeder_error = staticmethod(end)  # type: ignore[attr-defined]


def _told(said: str) -> str:
    if _FULL.search(said) and (_WORKER.search(said) or "shared memory" in said.lower()):
        return (
            "workers: expected room for batches in shared memory, found it full. Give the container more "
            "(`--shm-size`), or set fewer workers or less prefetch; the same command resumes from the last checkpoint."
        )
    if _WORKER.search(said):
        return (
            "workers: expected every process that prepares batches to live, found one ended. Out of memory kills the largest: "
            "set fewer workers; the same command resumes from the last checkpoint."
        )
    if _RANK.search(said):
        return (
            "ranks: expected all processes of the run to keep running, found another one gone. Its log has the cause; the same "
            "command resumes from the last checkpoint."
        )
    return ""
