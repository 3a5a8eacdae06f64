"""The CPU engine's loops are compiled once: after installation by python -m lidar_vl_core.commands.warm_up, else told meanwhile."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lidar_vl_core.foundation.errors import LidarVlError

_LINE = "first run: compiling the engine's loops, about 15 s on two cores; later runs load them"


@contextmanager
def compilation_told() -> Iterator[None]:
    """Say on stderr, where the code inside meets loops that nobody has compiled yet, that this takes a while, and how long it took."""
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


def main() -> int:
    """Run one cloud through every packaged model."""
    from lidar_vl_core.model_packages.package import load_model_package, packaged_models
    from lidar_vl_core.tasks.detector import Detector
    from lidar_vl_core.tasks.segmenter import Segmenter

    try:
        for name in packaged_models():
            start_s = time.perf_counter()
            package = load_model_package(name)
            (Detector if package.manifest.task == "detection" else Segmenter)(package).warm_up()
            print(f"model {name}: ready in {time.perf_counter() - start_s:.1f} s")
    except LidarVlError as error:
        print(f"lidar_vl_core.commands.warm_up: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
