"""A thread that serves the newest item of a mailbox, whatever serving raises."""

import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lidar_vl_ros.node.mailbox import Mailbox

T = TypeVar("T")

_PREPARING_TIMEOUT_S = 0.2  # shutdown does not wait while the model is compiled


class Worker(Generic[T]):
    """Serve items one at a time beside the executor's thread; an exception is reported and the next item served."""

    def __init__(
        self,
        name: str,
        serve: Callable[[T], None],
        failed: Callable[[Exception], None],
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """prepare: run once in the thread before the first item, e.g. a warm-up."""
        self._serve, self._failed, self._prepare = serve, failed, prepare
        self._mailbox: Mailbox[T] = Mailbox()
        self.ready = threading.Event()  # `prepare` is over, well or not
        # A daemon, so that an inference that hangs cannot keep the process alive after shutdown.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> bool:
        """Hand over an item; true if it replaced one that was still waiting."""
        return self._mailbox.put(item) is not None

    def drop_waiting(self) -> bool:
        """Drop the waiting item; true if there was one."""
        return self._mailbox.empty() is not None

    def stop(self, timeout_s: float) -> bool:
        """Stop after the current item, which is waited for, or after `prepare`, which is not; true if the thread has ended."""
        self._mailbox.close()
        self._thread.join(timeout_s if self.ready.is_set() else _PREPARING_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._prepare is not None:
            self._guarded(self._prepare)
        self.ready.set()
        while (item := self._mailbox.take()) is not None:
            self._guarded(self._serve, item)

    def _guarded(self, call: Callable[..., None], *arguments: T) -> None:
        try:
            call(*arguments)
        except Exception as error:  # the worker outlives every fault, even one of reporting the fault
            try:
                self._failed(error)
            except Exception:
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._thread)))
