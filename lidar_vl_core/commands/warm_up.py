"""Compile the CPU engine's loops once after installation, so that no first cloud waits for it: python -m lidar_vl_core.commands.warm_up."""

import sys
import time

from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.model_packages.package import load_model_package, packaged_models
from lidar_vl_core.tasks.segmenter import Segmenter


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
