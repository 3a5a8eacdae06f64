"""Compile the CPU engine's loops once, after installation: python -m lidar_vl_core.commands.warm_up."""

import argparse
import sys
import time
from collections.abc import Sequence

from lidar_vl_core.commands.program.command_line import CommandLine, run_tool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cloud through every packaged model, and what comes before and after a network; returns the exit code."""
    parser = CommandLine(
        prog="python -m lidar_vl_core.commands.warm_up",
        description="Compile the CPU engine's loops once, after installation.",
    )
    return run_tool(parser, _warm_up, arguments)


def _warm_up(_options: argparse.Namespace) -> None:
    from lidar_vl_core.model_packages.package import load_model_package, packaged_models
    from lidar_vl_core.tasks.detector import Detector
    from lidar_vl_core.tasks.segmenter import Segmenter
    from lidar_vl_core.tasks.warm_up_cloud import compile_loops_beside_the_network

    compile_loops_beside_the_network()
    for name in packaged_models():
        start_s = time.perf_counter()
        package = load_model_package(name)
        (Detector if package.manifest.task == "detection" else Segmenter)(package).warm_up()
        print(f"model {name}: ready in {time.perf_counter() - start_s:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
