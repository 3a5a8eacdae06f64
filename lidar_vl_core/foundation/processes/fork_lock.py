"""A thread lock that is free again in a forked child: the thread that held it at the fork does not exist there."""

import os
from threading import Lock
from types import TracebackType
from weakref import WeakSet


class ForkLock:
    """Like threading.Lock, used in a `with`; free in every forked child."""

    def __init__(self) -> None:
        self._lock = Lock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Release the lock, whoever held it."""
        self._lock = Lock()


_all: WeakSet[ForkLock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_all):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
