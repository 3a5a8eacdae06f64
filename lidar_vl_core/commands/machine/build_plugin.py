"""Compile the TensorRT plugin into one library, for `make plugin`: python -m lidar_vl_core.commands.machine.build_plugin."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core.commands.program.command_line import CommandLine, compute_capabilities, run_tool


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile it, and print what is in it; returns the exit code."""
    from lidar_vl_core.engines.tensorrt_plugin.build import BUILT, TARGETS

    parser = CommandLine(
        prog="python -m lidar_vl_core.commands.machine.build_plugin",
        description="Compile the TensorRT plugin into one library.",
    )
    parser.add_argument("--out", type=Path, default=BUILT, metavar="FILE.so", help=f"the library (default: {BUILT})")
    parser.add_argument(
        "--targets", type=compute_capabilities, default=TARGETS, metavar="A,B", help="compute capabilities; 86 is 8.6"
    )
    return run_tool(parser, _build, arguments)


def _build(options: argparse.Namespace) -> None:
    from lidar_vl_core.engines.tensorrt_plugin.build import build, tensorrt_headers

    headers = tensorrt_headers()
    library = build(options.out, options.targets, headers)
    kernels = ", ".join(f"sm_{target}" for target in options.targets)
    print(f"{library}: {library.stat().st_size / 1e6:.1f} MB, kernels for {kernels}")
    print(
        f"with the plugin in C++, compiled against the headers in {headers}"
        if headers
        else "without the plugin in C++: set TENSORRT_INCLUDE to the folder of TensorRT's headers. The one in Python is used"
    )


if __name__ == "__main__":
    sys.exit(main())
