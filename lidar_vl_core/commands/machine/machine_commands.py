"""The commands of `lidar-vl` about this machine: build-engine, doctor."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache


_LONGEST_S = 604_800
_MOST_TRIED = 50  # clouds of doctor, which runs each of them three times

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
        help="folder of cloud files, or a recording, on which the plan's sizes are measured",
    )
    build.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="precision the package was exported in (default: fp32)",
    )
    build.add_argument(
        "--plugin", action="store_true", help="with the fused sparse convolution that `make plugin` compiled"
    )
    _add_cache(build)
    build.add_argument(
        "--time-limit", type=float, default=3600.0, metavar="S", help="stop after this many seconds (default: 3600)"
    )
    build.set_defaults(run=_build_engine)

    doctor = commands.add_parser("doctor", help="report what this machine can run, and try TensorRT on it")
    doctor.add_argument(
        "--tensorrt",
        metavar="PKG",
        help="build this package's plan and, on a GPU, compare and measure it; needs --clouds",
    )
    doctor.add_argument("--clouds", type=Path, metavar="PATH", help="folder of cloud files, or a recording")
    doctor.add_argument("--out", type=Path, metavar="FILE", help="write the report to this .md or .json file")
    doctor.add_argument("--overwrite", action="store_true", help="replace an earlier report at the same place")
    _add_cache(doctor)
    doctor.set_defaults(run=_doctor)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the plan cache (default: $LIDAR_VL_ENGINES, else ~/.cache/lidar_vl/engines)",
    )


def _build_engine(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.machine.build_engine import build_engine
    from lidar_vl_core.commands.machine.clouds import clouds_at
    from lidar_vl_core.foundation.errors import BadRequest
    from lidar_vl_core.model_packages.package import load_model_package

    if not 0 < options.time_limit <= _LONGEST_S:  # NaN is neither
        raise BadRequest(
            f"--time-limit {options.time_limit:g}: expected seconds above 0, up to {_LONGEST_S} (a week). Allow more or less."
        )
    built = build_engine(
        load_model_package(options.model),
        options.target,
        clouds_at(options.clouds),
        options.precision,
        _cache(options),
        _tell_phase,
        options.time_limit,
        options.plugin,
    )
    print("\n".join(built.lines()))


def _doctor(options: argparse.Namespace) -> None:
    import json

    from lidar_vl_core.commands.machine.about_machine import about_lines, about_machine
    from lidar_vl_core.commands.machine.clouds import clouds_at
    from lidar_vl_core.commands.machine.doctor import examine, report_json, report_markdown
    from lidar_vl_core.foundation.errors import BadRequest
    from lidar_vl_core.foundation.files import write_text
    from lidar_vl_core.foundation.result_folder import require_no_results, require_place
    from lidar_vl_core.model_packages.package import load_model_package

    if (options.tensorrt is None) != (options.clouds is None):
        raise BadRequest("doctor: expected --tensorrt and --clouds together, found only one. Give both.")
    if options.out is not None:
        if options.out.suffix not in (".md", ".json"):
            raise BadRequest(f"--out {options.out}: expected a name ending in .md or .json. Rename it.")
        require_place(options.out)
        require_no_results(options.out, options.overwrite)
    _cache(options)
    about, examined = about_machine(), None
    print("\n".join(about_lines(about)), flush=True)
    if options.tensorrt is not None:
        clouds = list(clouds_at(options.clouds, _MOST_TRIED))
        examined = examine(load_model_package(options.tensorrt), clouds, _tell_phase)
        print("\n".join(examined.lines()))
    if options.out is not None:
        as_json = options.out.suffix == ".json"
        text = json.dumps(report_json(about, examined), indent=1) if as_json else report_markdown(about, examined)
        write_text(options.out, text + "\n")
        print(f"report: {options.out}")


def _cache(options: argparse.Namespace) -> "PlanCache":
    """The folder asked for, from now on that of the whole process."""
    from lidar_vl_core.engines.tensorrt.plan_cache import FOLDER_VARIABLE, PlanCache

    if options.cache is not None:
        os.environ[FOLDER_VARIABLE] = str(options.cache)
    return PlanCache()


def _tell_phase(phase: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{phase}", end="", file=sys.stderr, flush=True)
    elif phase.startswith("built again"):
        print(phase, file=sys.stderr)
