"""The command `reproduce` of lidar-vl-train: its options, and what it runs. Prints."""

import argparse
import sys
from pathlib import Path

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.optional_imports import TRAINING, require_packages

_OF_A_TABLE = ("table", "rows", "out", "jobs")  # meaningless for --list, which shows all tables


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it to the parser."""
    reproduce = commands.add_parser(
        "reproduce", help="a table of the paper, or its small form: our numbers beside the published ones; resumable"
    )
    reproduce.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="synthetic, pandaset, table1, synthetic-rooms, vlg-table1, ...: see --list",
    )
    instead = reproduce.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="only print every table, its runs, and the data it needs")
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="only print its runs (done and left), with data, disk space, hours and memory",
    )
    instead.add_argument(
        "--smoke",
        action="store_true",
        help="run every stage at toy size in DIR/smoke: minutes on a CPU, no download; the numbers mean nothing",
    )
    reproduce.add_argument("--rows", nargs="+", metavar="ROW", help="only these rows")
    reproduce.add_argument("--data", type=Path, metavar="ROOT", help="folder of the data sets that the table names")
    reproduce.add_argument("--out", type=Path, metavar="DIR", help="(default: out/reproduce/TABLE)")
    reproduce.add_argument("--jobs", type=int, help="number of runs at a time, which share the CPU (default: 1)")
    reproduce.set_defaults(run=_reproduce)


def _reproduce(options: argparse.Namespace) -> None:
    if options.list:
        _list(options)
        return
    from lidar_vl_core.foundation.result_folder import require_folder_place
    from offline_training.reproduction.base.study import require_study

    if options.table is None:
        raise BadRequest("reproduce: expected a TABLE, found none. `lidar-vl-train reproduce --list` prints them.")
    require_study(options.table)
    out = options.out or Path("out/reproduce") / options.table
    require_folder_place(out)
    rows, jobs = tuple(options.rows or ()), 1 if options.jobs is None else options.jobs
    if options.dry_run:
        from offline_training.reproduction.plan_text import plan_lines

        for line in plan_lines(options.table, out, options.data, rows, jobs):
            print(line)
        return
    if options.smoke:
        _smoke(options, out / "smoke", rows, jobs)
        return
    from offline_training.reproduction.studies import reproduce_study

    reproduce_study(options.table, out, options.data, rows, jobs)
    _print_table(out)


def _smoke(options: argparse.Namespace, out: Path, rows: tuple[str, ...], jobs: int) -> None:
    if options.data is not None:
        raise BadRequest(
            "reproduce --smoke: expected no --data, because it generates the few scenes it needs, found one. Leave --data out."
        )
    from offline_training.reproduction.studies import load_study, reproduce, smoke_of

    study = load_study(options.table)
    smoke = smoke_of(study)
    smoke.study.chosen_rows(rows)  # unknown rows are refused before the long list
    require_packages("reproduce --smoke", *TRAINING)
    require_packages("reproduce --smoke, which generates its scenes", "embreex")
    print(f"smoke run of {options.table}, {study.title}:")
    for line in smoke.told:
        print(f"  {line}")
    sys.stdout.flush()
    reproduce(smoke.study, out, None, rows, jobs)
    _print_table(out)
    print("smoke: every stage ran; the numbers mean nothing")


def _print_table(out: Path) -> None:
    print((out / "table.md").read_text())
    print(f"table: {out / 'table.md'}; plot: {out / 'plot.png'}")


def _list(options: argparse.Namespace) -> None:
    if given := [name for name in _OF_A_TABLE if getattr(options, name) is not None]:
        told = ", ".join("TABLE" if name == "table" else f"--{name}" for name in given)
        raise BadRequest(f"reproduce --list: expected no {told}, because it lists all tables. Leave the option out.")
    from offline_training.reproduction.plan_text import list_lines

    for line in list_lines(options.data):
        print(line)
