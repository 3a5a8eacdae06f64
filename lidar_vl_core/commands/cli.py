# PYTHON_ARGCOMPLETE_OK
"""The command `lidar-vl`: inspect, replay, compare, calibration-check, segment, detect, query, build-engine, doctor, top, models. Prints, and turns errors into one line and an exit code."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core.commands.calibration_command import add_calibration_check
from lidar_vl_core.commands.cloud_commands import add_cloud_commands
from lidar_vl_core.commands.compare_command import add_compare
from lidar_vl_core.commands.completions import completions
from lidar_vl_core.commands.machine.machine_commands import add_machine_commands
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import (
    ShowVersion,
    complete_where_asked,
    print_any_name,
    stop_printing,
)
from lidar_vl_core.commands.program.termination import TERMINATED, Terminated, heard_sigterm
from lidar_vl_core.commands.replay_command import add_replay
from lidar_vl_core.commands.top_command import add_top
from lidar_vl_core.foundation.errors import LidarVlError, MissedLimit, one_line

_MISSED_LIMIT, _BAD_INPUT, _INTERRUPTED, _BROKEN_PIPE = 1, 2, 130, 141  # as shells count them: 128 + signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for a missed limit, 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    parser = command_parser()
    complete_where_asked(parser, completions)
    options = parser.parse_args(arguments)
    print_any_name()
    try:
        with heard_sigterm():
            options.run(options)
            print(end="", flush=True)
    except MissedLimit as error:
        print(f"lidar-vl: {error}", file=sys.stderr)
        return _MISSED_LIMIT
    except LidarVlError as error:
        print(f"lidar-vl: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("lidar-vl: interrupted, nothing was written", file=sys.stderr)
        return _INTERRUPTED
    except Terminated:
        print("lidar-vl: terminated, nothing was written", file=sys.stderr)
        return TERMINATED
    except BrokenPipeError:  # the reader went away (`| head`)
        stop_printing()
        return _BROKEN_PIPE
    except OSError as error:  # what no command foresaw, such as an answer printed to a full disk
        stop_printing()
        told = one_line(f"expected readable input and writable output, found: {error}. Check paths and disk.")
        print(f"lidar-vl: {told}", file=sys.stderr)
        return _BAD_INPUT
    return 0


def command_parser() -> argparse.ArgumentParser:
    """Commands of `lidar-vl` and their options."""
    parser = CommandLine(
        prog="lidar-vl",
        description="LiDAR segmentation and detection in recordings and single clouds, without ROS and without PyTorch.",
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    inspect = commands.add_parser("inspect", help="show what is in a recording and which parts of it can be used")
    inspect.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag")
    inspect.add_argument("--json", action="store_true", help="print JSON for programs")
    inspect.set_defaults(run=_inspect)

    add_replay(commands)
    add_compare(commands)
    add_calibration_check(commands)
    add_cloud_commands(commands)
    add_machine_commands(commands)
    add_top(commands)

    models = commands.add_parser("models", help="list the models that come with this software")
    models.set_defaults(run=_models)
    return parser


def _inspect(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text

    found = inspection(options.bag)
    print(json.dumps(found, indent=1) if options.json else inspection_text(found))


def _models(_options: argparse.Namespace) -> None:
    from datetime import datetime, timezone

    from lidar_vl_core.model_packages.origin import origin
    from lidar_vl_core.model_packages.package import load_model_package, packaged_models

    today, names = datetime.now(timezone.utc).date(), packaged_models()
    if not names:
        print("no packaged models; give `--model` the folder of a model package")
    for name in names:
        package = load_model_package(name)
        size_mb = sum(path.stat().st_size for path in package.path.iterdir()) / 1e6
        headline = next((line.lstrip("#").strip() for line in package.card.splitlines() if line.strip()), "")
        print(f"{name}: {headline}")
        print(f"  {package.manifest.task}, {size_mb:.1f} MB, {origin(package.manifest, today)}, {package.path}")
        print(f"  {len(package.classes)} classes of {package.classes.name}: {', '.join(package.classes.names)}")


if __name__ == "__main__":
    sys.exit(main())
