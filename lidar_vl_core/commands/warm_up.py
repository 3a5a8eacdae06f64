"""The CPU engine's loops are compiled once: after installation by python -m lidar_vl_core.commands.warm_up, else told meanwhile."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.model_packages.package import load_model_package, packaged_models
from lidar_vl_core.tasks.segmenter import Segmenter

_LOADED_S = 4.0  # what loading compiled loops takes at most, also on a busy machine; whoever waits longer is told why


@contextmanager
def compilation_told() -> Iterator[None]:
    """Say on stderr, where the code inside takes longer than loading does, that loops are compiled, and how long it took."""
    start_s = time.perf_counter()
    line = "first run: compiling the engine's loops, about 15 s on two cores; later runs load them"
    timer = threading.Timer(_LOADED_S, print, (line,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if (seconds := time.perf_counter() - start_s) > _LOADED_S:
            print(f"ready after {seconds:.0f} s", file=sys.stderr)


def main() -> int:
    """Run one cloud through every packaged model."""
    try:
        for name in packaged_models():
            start_s = time.perf_counter()
            Segmenter(load_model_package(name)).warm_up()
            print(f"model {name}: ready in {time.perf_counter() - start_s:.1f} s")
    except LidarVlError as error:
        print(f"lidar_vl_core.commands.warm_up: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
