"""All rows of faults, one after another, and what they earned: `make faults`, or `make faults LONG=1`.

Each row is a few tests, run by pytest; its outcome is saved under OUT/rows as soon as it is known, with pytest's words beside it,
and --resume leaves out rows that passed with the same amounts. OUT/faults.md then has the table, OUT/faults.json all of it.
--page writes what OUT has into docs/reliability.md; rows that OUT does not have keep their figures there.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.files import read_json, write_text
from tests.bench.report.machine import machine
from tests.faults.harness.amount import SHARE
from tests.faults.harness.page import summary, table, write_page
from tests.faults.harness.rows import ROWS, Row

_REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; exit code 1 when a test fails."""
    parser = CommandLine(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/faults"), help="folder for all results (out/faults)")
    parser.add_argument("--rows", nargs="+", type=int, metavar="N", help="rows by number (all)")
    parser.add_argument("--long", type=float, metavar="SHARE", help="share of the long form: 1 all of it, 0.1 a tenth")
    parser.add_argument("--resume", action="store_true", help="leave out rows that passed with the same amounts")
    parser.add_argument("--page", action="store_true", help="write the saved figures into docs/reliability.md")
    asked = parser.parse_args(arguments)
    share = "" if asked.long is None else f"{asked.long:g}"
    rows = [row for row in ROWS if asked.rows is None or row.number in asked.rows]
    if missing := set(asked.rows or ()) - {row.number for row in ROWS}:
        parser.error(f"--rows: expected 1 to {len(ROWS)}, found {sorted(missing)}")
    for row in tqdm(rows, unit="row", disable=not sys.stderr.isatty()):
        path = asked.out / "rows" / f"{row.number:02}.json"
        if not (asked.resume and _is_saved(path, row, share)):
            outcome = _run(row, path, share)
            tqdm.write(
                f"{row.number:>2} {row.fault}: {'passed' if _passed(outcome) else 'FAILED'}, {outcome['seconds']} s"
            )
    saved = [read_json(path) for row in ROWS if (path := asked.out / "rows" / f"{row.number:02}.json").is_file()]
    write_text(asked.out / "faults.json", json.dumps(saved, indent=1) + "\n")
    write_text(asked.out / "faults.md", f"{summary(saved)}\n\n{table(saved)}\n")
    print(table(saved), summary(saved), sep="\n\n")
    if asked.page:
        write_page(saved, _REPOSITORY / "docs")
    return 0 if all(map(_passed, saved)) else 1


def _run(row: Row, path: Path, share: str) -> dict[str, Any]:
    """Run a row's tests and save what became of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record, began_s = path.with_suffix(".record"), time.monotonic()
    record.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.faults.harness.record",
        "--record",
        str(record),
        *row.tests,
    ]
    environment = {name: value for name, value in os.environ.items() if name != SHARE} | (
        {SHARE: share} if share else {}
    )
    with path.with_suffix(".log").open("wb") as log:
        ended = subprocess.run(
            command, cwd=_REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    nothing: dict[str, Any] = {"passed": 0, "failed": ["no outcome"], "skipped": [], "figures": {}}
    outcome = read_json(record) if record.is_file() else nothing
    record.unlink(missing_ok=True)
    if ended.returncode and not outcome["failed"]:
        outcome["failed"] = [f"pytest ended with {ended.returncode}"]
    took = {"seconds": round(time.monotonic() - began_s), "date": time.strftime("%Y-%m-%d"), "machine": machine()}
    outcome = {"row": row.number, "share": share, "tests": list(row.tests), **outcome, **took}
    write_text(path, json.dumps(outcome, indent=1) + "\n")
    return outcome


def _passed(outcome: dict[str, Any]) -> bool:
    return outcome["passed"] > 0 and not outcome["failed"] and not outcome["skipped"]


def _is_saved(path: Path, row: Row, share: str) -> bool:
    """Whether the row passed before: its present tests, in this form."""
    if not path.is_file():
        return False
    saved = read_json(path)
    return saved["share"] == share and saved["tests"] == list(row.tests) and _passed(saved)


if __name__ == "__main__":
    sys.exit(main())
