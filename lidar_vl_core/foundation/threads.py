"""Threads that help with compiled loops that release the GIL. Starts threads.

Not numba's own: its OpenMP layer ends a forked process (data loaders fork) and its work queue ends a process that uses
it from two threads at once.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from types import TracebackType

_MOST_BY_DEFAULT = 4  # the loops here are bound by memory; more threads bring little


class HelperThreads:
    """Tasks added inside the `with` run on threads - 1 helpers and, at its end, on the caller, until all are done."""

    def __init__(self, threads: int) -> None:
        self._pool = _pool(threads - 1) if threads > 1 else None
        self._waiting: list[tuple[Future[None] | None, Callable[[], None]]] = []

    def add(self, task: Callable[[], None]) -> None:
        """Queue a task; it may start at once. It must not add others."""
        self._waiting.append((self._pool.submit(task) if self._pool else None, task))

    def __enter__(self) -> "HelperThreads":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        started = []
        for future, task in reversed(self._waiting):  # helpers begin at the other end: nobody waits while tasks do
            if future is None or future.cancel():  # nobody has started it yet
                if error is None:
                    task()
            else:
                started.append(future)
        for future in started:
            future.result()


def machine_cores() -> int:
    """Processor cores of the machine, also those that this process may not use."""
    return os.cpu_count() or 1


def available_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine_cores()


def default_threads() -> int:
    """Cores this process may use, up to a small number."""
    return min(available_cores(), _MOST_BY_DEFAULT)


@lru_cache(maxsize=8)
def _pool(helpers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(helpers, thread_name_prefix="lidar-vl-helper")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork: start new ones
