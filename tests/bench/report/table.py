"""Rows {name, value, unit, target, passed} of a benchmark, and a table of them as text."""

from typing import Any


def row(
    name: str,
    value: float,
    unit: str = "",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> dict[str, Any]:
    """A figure and, where one limit is given, whether it is kept."""
    target, passed = "", None
    if at_least is not None:
        target, passed = f">= {at_least:g}", bool(value >= at_least)
    if at_most is not None:
        target, passed = f"<= {at_most:g}", bool(value <= at_most)
    if below is not None:
        target, passed = f"< {below:g}", bool(value < below)
    return {"name": name, "value": float(value), "unit": unit, "target": target, "passed": passed}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the rows; `passed` is None where there is no target."""
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: ""}[row["passed"]]
        print(f"{row['name']:<{width}}  {row['value']:>12.4g} {row['unit']:<10} {row['target'] or '':<12} {verdict}")
