"""SIGTERM as an end that cleans up, like Ctrl-C. Sets a handler of signals."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM  # as shells count it


class Terminated(SystemExit):
    """A SIGTERM was received; cleanup runs on the way out."""


@contextmanager
def heard_sigterm() -> Iterator[None]:
    """Raise Terminated in the block when a SIGTERM comes; further ones are ignored, so that they cannot interrupt the cleanup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated(TERMINATED)
