"""Times of things that take turns, and the row of the table that tells one of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def interleaved_ms(runs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each, in turn again and again, so that a busy moment meets all of them. Each runs once before."""
    for run in runs.values():
        run()
    times_ms: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started_s = time.perf_counter()
            run()
            times_ms[name].append(1e3 * (time.perf_counter() - started_s))
    return times_ms


def measured_row(name: str, values: Sequence[float], unit: str = "ms", **details: Any) -> dict[str, Any]:
    """A row of the table: median, quartiles as low and high, how many were measured, and what reports and plots need."""
    low, high = np.percentile(values, (25, 75))
    return {
        "name": name,
        "value": float(f"{statistics.median(values):.4g}"),
        "low": float(f"{low:.4g}"),
        "high": float(f"{high:.4g}"),
        "repeats": len(values),
        "unit": unit,
        "target": "",
        "passed": None,
        "details": details,
    }


def judged(row: dict[str, Any], at_least: float | None = None, at_most: float | None = None) -> dict[str, Any]:
    """The row with a target for its median."""
    if at_least is not None:
        return {**row, "target": f">= {at_least:g}", "passed": row["value"] >= at_least}
    if at_most is not None:
        return {**row, "target": f"<= {at_most:g}", "passed": row["value"] <= at_most}
    return row
