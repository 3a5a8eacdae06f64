"""The command `reproduce` of lidar-vl-train: its options, and what it runs. Prints."""

import argparse
from pathlib import Path

from lidar_vl_core.foundation.errors import BadRequest

_OF_A_TABLE = ("table", "rows", "out", "jobs")  # what --list, which tells of all tables, has no use for


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
        "--dry-run", action="store_true", help="only print its runs, what is done and left, data, disk, hours, memory"
    )
    reproduce.add_argument("--rows", nargs="+", metavar="ROW", help="only these rows")
    reproduce.add_argument("--data", type=Path, metavar="ROOT", help="folder of the data sets that the table names")
    reproduce.add_argument("--out", type=Path, metavar="DIR", help="default out/reproduce/TABLE")
    reproduce.add_argument("--jobs", type=int, help="runs at a time, which share the processor; default 1")
    reproduce.set_defaults(run=_reproduce)


def _reproduce(options: argparse.Namespace) -> None:
    if options.list:
        _list(options)
        return
    from offline_training.reproduction.base.study import require_study

    if options.table is None:
        raise BadRequest("reproduce: expected a TABLE, found none. `lidar-vl-train reproduce --list` prints them.")
    require_study(options.table)
    out = options.out or Path("out/reproduce") / options.table
    rows, jobs = tuple(options.rows or ()), 1 if options.jobs is None else options.jobs
    if options.dry_run:
        from offline_training.reproduction.plan_text import plan_lines

        for line in plan_lines(options.table, out, options.data, rows, jobs):
            print(line)
        return
    from offline_training.reproduction.studies import reproduce_study

    reproduce_study(options.table, out, options.data, rows, jobs)
    print((out / "table.md").read_text())
    print(f"table: {out / 'table.md'}; picture: {out / 'plot.png'}")


def _list(options: argparse.Namespace) -> None:
    if given := [name for name in _OF_A_TABLE if getattr(options, name) is not None]:
        told = ", ".join("TABLE" if name == "table" else f"--{name}" for name in given)
        raise BadRequest(f"reproduce --list: expected no {told}: all tables are listed. Leave it out.")
    from offline_training.reproduction.plan_text import list_lines

    for line in list_lines(options.data):
        print(line)
