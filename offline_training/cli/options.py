"""Options that several commands of lidar-vl-train have."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import list_in_help


def add_config(parser: argparse.ArgumentParser, told: str) -> None:
    """Add the required configuration."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.yaml", help=told)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the values that replace some of the configuration's."""
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="name=value", help="replaces a value of the configuration"
    )


def list_data_sets(parser: argparse.ArgumentParser) -> None:
    """Show the kinds of data sets and the class tables below a command's help."""
    list_in_help(parser, _data_sets_and_tables)


def _data_sets_and_tables() -> dict[str, Sequence[str]]:
    from lidar_vl_core.classes.known_tables import class_table_names, label_table_names
    from offline_training.datasets.data_sources import SPECS

    return {
        "Data sets": [spec.kind for spec in SPECS],
        "Class tables": class_table_names(),
        "Label tables": label_table_names(),
    }


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the configuration's data set."""
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="folder of the configuration's data set, for train and validation; of several: train.0.folder=FOLDER",
    )
    list_data_sets(parser)


def overrides_of(options: argparse.Namespace) -> dict[str, Any]:
    """What replaces values of the configuration on this command line. Raises BadConfig."""
    from lidar_vl_core.foundation.config import load_yaml, parse_overrides

    content = load_yaml(options.config)  # first of all: a wrong path is told at once
    overrides = parse_overrides(getattr(options, "overrides", []))
    if options.data is None:
        return overrides
    from offline_training.datasets.data_folder import folder_overrides

    return {**folder_overrides(content, options.data, options.config), **overrides}


def add_resume(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add where a run resumes; more: choices besides auto, never and previous."""
    parser.add_argument(
        "--resume",
        choices=("auto", "never", "previous", *more),
        default="auto",
        help="auto: from the newest checkpoint in the run's folder, if there is one",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the engine that does the work."""
    parser.add_argument("--engine", choices=("local", "ray"), help="replaces the configuration's; ray: on a cluster")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the trained network that a command reads."""
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="the .json of a checkpoint, or the folder of checkpoints"
    )


def add_random_weights(parser: argparse.ArgumentParser) -> None:
    """Add the switch that allows an image model with random weights."""
    parser.add_argument(
        "--allow-random-weights",
        action="store_true",
        help="use an image model without weights, to try out the pipeline",
    )


def require_new_file(options: argparse.Namespace, name: str) -> None:
    """Raise BadRequest where no file can be written as an option names it, or an earlier one would be replaced without --overwrite."""
    from lidar_vl_core.foundation.files import require_no_device
    from lidar_vl_core.foundation.result_folder import require_no_results, require_place

    path: Path | None = getattr(options, name)
    if path is not None:
        require_no_device(path)
        require_place(path, f"--{name}")
        require_no_results(path, options.overwrite, f"--{name}")


def require_new_folder(options: argparse.Namespace, name: str) -> None:
    """Raise BadRequest where no folder can be as an option names it, or earlier results would be replaced without --overwrite."""
    from lidar_vl_core.foundation.result_folder import require_folder_place, require_no_results

    path: Path | None = getattr(options, name)
    if path is not None:
        require_folder_place(path, f"--{name}")
        require_no_results(path, options.overwrite, f"--{name}")
