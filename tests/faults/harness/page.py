"""Saved figures as a table, one line, and a part of the page on reliability that nobody writes by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.files import read_json, write_text
from tests.faults.harness.rows import ROWS

PAGE, FIGURES = "reliability.md", "reliability_figures.json"
_BEGIN, _END = "<!-- figures: written by python -m tests.faults --page -->", "<!-- end of figures -->"
_WORDS = ("malformed messages", "altered files", "clouds of the soak", "minutes of soak", "kills", "restarts", "lifecycle rounds", "cut bags", "altered models")  # fmt: skip


def summary(saved: Sequence[dict[str, Any]]) -> str:
    """The line of all counts, each of a test that printed it."""
    counts: dict[str, float] = {}
    for outcome in saved:
        for what, value in outcome["figures"].items():
            if what in _WORDS:
                counts[what] = counts.get(what, 0) + value
    failed = [outcome["row"] for outcome in saved if outcome["failed"]]
    end = f"failed: rows {', '.join(map(str, failed))}" if failed else "0 crashes, 0 wrong outputs accepted"
    return ", ".join(f"{_number(counts[what])} {what}" for what in _WORDS if counts.get(what)) + f": {end}."


def table(saved: Sequence[dict[str, Any]]) -> str:
    """A row for each fault that was tried: what has to happen, and what was counted and measured."""
    rows = {row.number: row for row in ROWS}
    lines = ["| # | fault | what happens | figures | tests | took |", "|---|---|---|---|---|---|"]
    for outcome in saved:
        row = rows[outcome["row"]]
        told = "; ".join(f"{_number(value)} {what}" for what, value in outcome["figures"].items())
        tests = f"{outcome['passed']} passed" + (f", {len(outcome['failed'])} FAILED" if outcome["failed"] else "")
        lines.append(f"| {row.number} | {row.fault} | {row.expected} | {told} | {tests} | {outcome['seconds']} s |")
    return "\n".join(lines)


def part_of_page(saved: Sequence[dict[str, Any]]) -> str:
    """What stands between the two marks."""
    machines = sorted({f"{one['machine']['cores']} cores of {one['machine']['processor']}" for one in saved})
    dates = sorted({outcome["date"] for outcome in saved})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    long = [str(outcome["row"]) for outcome in saved if outcome["share"]]
    form = (
        f"Row{'s' * (len(long) > 1)} {', '.join(long)} in the long form, the others in that of `make test`."
        if long
        else "In the form of `make test`."
    )
    return f"{_BEGIN}\n\n{summary(saved)}\n\n{form} {when}, {', '.join(machines)}.\n\n{table(saved)}\n\n{_END}"


def write_page(saved: Sequence[dict[str, Any]], docs: Path) -> None:
    """Put the figures into the page, and beside it, as JSON, what they were written from; rows that were not run keep theirs."""
    by_row = {outcome["row"]: outcome for outcome in (*read_json(docs / FIGURES), *saved)}
    outcomes = [by_row[row] for row in sorted(by_row)]
    write_text(docs / FIGURES, json.dumps(outcomes, indent=1) + "\n")
    page = docs / PAGE
    before, rest = page.read_text().split(_BEGIN)
    write_text(page, before + part_of_page(outcomes) + rest.split(_END)[1])


def is_page_as_written(docs: Path) -> bool:
    """Whether the page says what was saved, and nobody changed it by hand."""
    return part_of_page(read_json(docs / FIGURES)) in (docs / PAGE).read_text()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
