"""Ctrl-C and SIGTERM as a wish to stop: the state is saved and told in one line, and the same command resumes."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunStopped(SystemExit):
    """A run ended before its end since a signal asked for it; what it had done is saved.

    A script that does not catch it ends with the code that shells give a program ended by that signal: 130 or 143.
    """

    def __init__(self, told: str, signum: int) -> None:
        """told: the line for people; empty for all but the first of several processes."""
        super().__init__(128 + signum)
        self.told, self.signum = told, signum

    def __reduce__(self) -> tuple[Any, ...]:
        return RunStopped, (self.told, self.signum)

    def __str__(self) -> str:
        return self.told


class StopSignals:
    """Hears SIGINT and SIGTERM while it is open; the first is a wish, a second one ends the program at once.

    In a process that another of ours has started only SIGTERM counts: Ctrl-C reaches both, and the other passes it on.
    """

    def __init__(self) -> None:
        self.signum = 0  # of the first signal; 0 = none came
        self._before: dict[int, Any] = {}

    @property
    def is_asked(self) -> bool:
        """Whether somebody wants an end."""
        return self.signum != 0

    def __enter__(self) -> "StopSignals":
        """Listen, in the main thread; elsewhere Python hears no signals."""
        if threading.current_thread() is threading.main_thread():
            self._before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        self.listen()
        return self

    def listen(self) -> None:
        """Take the signals back from a library that has taken them."""
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS[multiprocessing.parent_process() is not None :]:
                signal.signal(signum, self._hear)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def end_if_asked(self, told: str) -> None:
        """Raise RunStopped where somebody wants an end; told: what is done and saved, `stopped after 3 of 40 pictures`."""
        if self.is_asked:
            raise stopped(told, self.signum)

    def after_each(self, on_progress: Callable[[], object], total: int, unit: str) -> Callable[[], None]:
        """What a loop calls after each of `total` pieces of work: on_progress, then the end where it is asked for."""
        done = 0

        def one_more() -> None:
            nonlocal done
            done += 1
            on_progress()
            self.end_if_asked(f"stopped after {done} of {total} {unit}")

        return one_more

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if self.is_asked:
            end_at_once(signum, frame)
        self.signum = signum


def stopped(told: str, signum: int) -> RunStopped:
    """The end of a run that saved what it had done."""
    return RunStopped(f"{told}; saved; the same command resumes", signum)


def end_at_once(signum: int, frame: FrameType | None) -> None:
    """End on a second signal; every file being written stays as it was. Raises KeyboardInterrupt or SystemExit."""
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + signum)


def deaf_to_ctrl_c(start: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Call `start`, whose new processes never hear Ctrl-C: a terminal sends it to all, and they would die at work."""
    resource_tracker.ensure_running()  # multiprocessing's own helper, whose start lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
