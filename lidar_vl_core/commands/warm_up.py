"""Compile the CPU engine's loops once, after installation: python -m lidar_vl_core.commands.warm_up."""

import sys
import time

from lidar_vl_core.foundation.errors import LidarVlError


def main() -> int:
    """Run one cloud through every packaged model, and what comes before and after a network."""
    from lidar_vl_core.model_packages.package import load_model_package, packaged_models
    from lidar_vl_core.tasks.detector import Detector
    from lidar_vl_core.tasks.segmenter import Segmenter
    from lidar_vl_core.tasks.warm_up_cloud import compile_loops_beside_the_network

    compile_loops_beside_the_network()
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
