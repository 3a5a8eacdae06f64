"""The commands of `lidar-vl` about this machine: build-engine, doctor."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache


ParserT = TypeVar("ParserT", bound=argparse.ArgumentParser)


def add_machine_commands(commands: "argparse._SubParsersAction[ParserT]") -> None:
    """Add them to the commands of the program."""
    build = commands.add_parser(
        "build-engine", help="build a model's plan for TensorRT; for an RTX card also on a machine without a GPU"
    )
    build.add_argument("model", metavar="PKG", help="folder of a model package, or a name such as demo")
    build.add_argument(
        "--target",
        required=True,
        metavar="SM",
        help="compute capabilities, such as sm86,sm89; or `this` for the GPU here",
    )
    build.add_argument(
        "--clouds",
        type=Path,
        required=True,
        metavar="PATH",
        help="folder of cloud files, or a recording: what the plan's sizes are measured by",
    )
    build.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="as the package was exported (default fp32)",
    )
    _add_cache(build)
    build.add_argument(
        "--time-limit", type=float, default=3600.0, metavar="S", help="give up after so many seconds (default 3600)"
    )
    build.set_defaults(run=_build_engine)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where plans are kept, else LIDAR_VL_ENGINES, else ~/.cache/lidar_vl/engines",
    )


def _build_engine(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.machine.build_engine import build_engine
    from lidar_vl_core.commands.machine.clouds import clouds_at
    from lidar_vl_core.model_packages.package import load_model_package

    built = build_engine(
        load_model_package(options.model),
        options.target,
        clouds_at(options.clouds),
        options.precision,
        _cache(options),
        _tell_phase,
        options.time_limit,
    )
    print("\n".join(built.lines()))


def _cache(options: argparse.Namespace) -> "PlanCache":
    from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache

    return PlanCache(options.cache)


def _tell_phase(phase: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{phase}", end="", file=sys.stderr, flush=True)
    elif phase.startswith("built again"):
        print(phase, file=sys.stderr)
