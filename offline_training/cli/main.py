# PYTHON_ARGCOMPLETE_OK
"""The command `lidar-vl-train`. Turns errors into one line and an exit code; the commands are in the modules beside it."""

import argparse
import os
import sys
from collections.abc import Sequence

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import (
    ShowVersion,
    complete_where_asked,
    print_any_name,
    stop_printing,
)
from lidar_vl_core.commands.program.termination import TERMINATED, Terminated, heard_sigterm
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.foundation.optional_imports import missing_extra
from offline_training.cli import data, export, from_bags, reproduce, results, training, words
from offline_training.cli.completions import completions
from offline_training.runs.stopping import RunStopped

_BAD_INPUT, _INTERRUPTED, _BROKEN_PIPE = 2, 130, 141  # as shells count them: 128 + signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    # Threads of OpenMP that wait for work by spinning take the cores from the data loader and the compiled loops: many
    # times slower on a busy machine. Read when torch is imported, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = command_parser()
    try:
        complete_where_asked(parser, completions)
        options = parser.parse_args(arguments)
        print_any_name()
        with heard_sigterm():
            options.run(options)
            print(end="", flush=True)
    except LidarVlError as error:
        print(f"lidar-vl-train: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_INPUT
    except ModuleNotFoundError as error:
        if (extra := missing_extra(parser.prog, error)) is None:
            raise
        print(extra, file=sys.stderr)
        return _BAD_INPUT
    except BrokenPipeError:  # the reader went away (`| head`)
        stop_printing()
        return _BROKEN_PIPE
    except RunStopped as stopped:
        if stopped.told:
            print(f"lidar-vl-train: {stopped.told}", file=sys.stderr)
        return 128 + stopped.signum
    except Terminated:
        print("lidar-vl-train: terminated; run the same command again to resume", file=sys.stderr)
        return TERMINATED
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning answers Ctrl-C with a silent sys.exit(1).
        if isinstance(error, SystemExit) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        print("lidar-vl-train: interrupted; run the same command again to resume", file=sys.stderr)
        return _INTERRUPTED
    return 0


def command_parser() -> argparse.ArgumentParser:
    """Commands of `lidar-vl-train` and their options."""
    parser = CommandLine(prog="lidar-vl-train", description="Train, evaluate and export LiDAR segmentation networks.")
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    for family in (data, from_bags, training, reproduce, words, results, export):
        family.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
