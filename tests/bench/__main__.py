"""Run every benchmark, one part after another, and save figures, tables and plots.

Each part is saved under OUT/parts as soon as it is measured; --resume goes on where a run was stopped. OUT then holds bench.json
(all rows), bench.md (tables) and plots (roofline.png, growth.png, vehicle_path.png). About half an hour on two idle cores;
--quick measures the vehicle path alone at small sizes, in two minutes.
"""

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.files import read_json, write_text
from tests.bench.report.machine import machine
from tests.bench.report.parts import PART_OF, PARTS, Part
from tests.bench.report.table import print_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; exit code 1 when a target is missed or a part fails."""
    parser = CommandLine(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for all results (out/bench)")
    parser.add_argument("--only", nargs="+", choices=PART_OF, metavar="PART", help=f"of {', '.join(PART_OF)}")
    parser.add_argument("--quick", action="store_true", help="the vehicle path alone, at small sizes: two minutes")
    parser.add_argument(
        "--resume", action="store_true", help="leave out parts that are saved already, of the same kind"
    )
    asked = parser.parse_args(arguments)
    parts = [PART_OF[name] for name in asked.only] if asked.only else list(PARTS)
    if asked.quick:
        parts = [part for part in parts if part.quick]
        if not parts:
            parser.error(f"--quick: expected some of {', '.join(part.name for part in PARTS if part.quick)}")
    failed = _measure(parts, asked.out, asked.quick, asked.resume)
    rows = _report(asked.out, asked.quick)
    return 1 if failed or any(row["passed"] is False for row in rows) else 0


def _measure(parts: list[Part], out: Path, quick: bool, resume: bool) -> list[str]:
    """Names of the parts that failed; the others are saved."""
    failed, started_s = [], time.monotonic()
    expected = sum(part.minutes for part in parts)
    for number, part in enumerate(parts, start=1):
        path = out / "parts" / f"{part.name}.json"
        if resume and _is_saved(path, quick):
            print(f"[{number}/{len(parts)}] {part.name}: saved already", file=sys.stderr, flush=True)
            continue
        about = "" if quick else f", about {part.minutes:g} of {expected:.0f} minutes on two idle cores"
        print(f"[{number}/{len(parts)}] {part.name}{about} ...", file=sys.stderr, flush=True)
        began_s = time.monotonic()
        try:
            measure = importlib.import_module(f"tests.bench.{part.name}").measure
            rows = measure(quick=True) if quick else measure()
        except Exception:
            traceback.print_exc()
            failed.append(part.name)
            continue
        took_s = round(time.monotonic() - began_s, 1)
        saved = {"part": part.name, "quick": quick, "seconds": took_s, "machine": machine(), "rows": rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(saved, indent=1, default=_plain) + "\n")
        print(
            f"  took {took_s:.0f} s, {(time.monotonic() - started_s) / 60:.1f} minutes so far",
            file=sys.stderr,
            flush=True,
        )
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return failed


def _is_saved(path: Path, quick: bool) -> bool:
    """Whether the part was measured like this before, on this machine."""
    if not path.is_file():
        return False
    saved = read_json(path)
    return saved["quick"] == quick and saved["machine"] == machine()


def _report(out: Path, quick: bool) -> list[dict[str, Any]]:
    """All saved rows of this kind of run, after they were told in every form."""
    from tests.bench.report.growth_plot import save_growth
    from tests.bench.report.markdown import markdown
    from tests.bench.report.path_plot import save_vehicle_path
    from tests.bench.report.roofline_plot import save_roofline

    paths = [out / "parts" / f"{part.name}.json" for part in PARTS]
    saved = [read_json(path) for path in paths if _is_saved(path, quick)]
    rows = [{**row, "part": part["part"]} for part in saved for row in part["rows"]]
    if not rows:
        print("nothing was measured", file=sys.stderr)
        return []
    print_table(rows)
    seconds = {part["part"]: part["seconds"] for part in saved}
    told = {"machine": machine(), "quick": quick, "seconds": seconds, "rows": rows}
    write_text(out / "bench.json", json.dumps(told, indent=1) + "\n")
    write_text(out / "bench.md", markdown(told))
    plots = [save(rows, out) for save in (save_roofline, save_growth, save_vehicle_path)]
    print("saved to", ", ".join(str(path) for path in (out / "bench.json", out / "bench.md", *filter(None, plots))))
    return rows


def _plain(value: Any) -> Any:
    """Numbers of numpy as JSON has them."""
    return value.item()


if __name__ == "__main__":
    sys.exit(main())
