"""What users are told while the CPU engine's loops are compiled. Prints."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LINE = "first run: compiling the engine's loops, about 15 s on two cores; later runs load them"


@contextmanager
def compilation_told() -> Iterator[None]:
    """Say on stderr, if the code inside needs loops not compiled yet, that this takes a while, and how long it took."""
    from numba.core import event

    class Told(event.Listener):
        loops = 0

        def on_start(
            self, event: object
        ) -> None:  # numba speaks of compilations alone, not of loading what was compiled
            self.loops += 1
            if self.loops == 1:
                print(_LINE, file=sys.stderr, flush=True)

        def on_end(self, event: object) -> None:
            pass

    start_s, told = time.perf_counter(), Told()
    with event.install_listener("numba:compile", told):
        yield
    if told.loops:
        print(f"compiled {told.loops} loops in {time.perf_counter() - start_s:.0f} s", file=sys.stderr)
