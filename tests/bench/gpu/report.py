"""The run told in three forms: gpu_bench.json with everything, gpu_bench.md with tables, gpu_bench.png with growth."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.files import write_text

Rows = Sequence[dict[str, Any]]


def write_report(out: Path, told: dict[str, Any]) -> list[Path]:
    """told: {"machine", "settings", "absent", "smoke", "rows"}; rows as measured_row() makes them. Returns what was written."""
    paths = [out / "gpu_bench.json", out / "gpu_bench.md"]
    out.mkdir(parents=True, exist_ok=True)
    write_text(paths[0], json.dumps(_without_nan(told), indent=1) + "\n")
    write_text(paths[1], markdown(told))
    plot = save_plot(told["rows"], out / "gpu_bench.png")
    return [*paths, *([plot] if plot else [])]


def markdown(told: dict[str, Any]) -> str:
    """Tables; nothing is said of what was not measured."""
    rows = told["rows"]
    head = "\n".join(f"- {name}: {value}" for name, value in {**told["machine"], **told["settings"]}.items())
    absent = [[name, why] for name, why in told["absent"].items()]
    smoke = [[each["step"], each["verdict"], each["message"], f"{each['seconds']:.1f}"] for each in told["smoke"]]
    problems = [
        [row["name"], row["details"].get("problem") or f"{row['value']:g}"]
        for row in rows
        if row["details"].get("problem") or row["details"].get("agrees") is False
    ]
    pieces = [
        f"# GPU benchmark\n\n{head}\n",
        _section("Sides that did not take part", ["side", "why"], absent),
        _section("Smoke test", ["step", "", "what it found", "s"], smoke),
        _section("Sides that failed or disagreed, and were not timed there", ["what", "found"], problems),
        _section("What this device does at best", ["what", "median [quartiles]", ""], _plain(rows, "roof")),
        *(_growth(rows, "network", way) for way in ("from voxels", "kept maps")),
        _layers(rows, "forward"),
        _layers(rows, "forward and backward"),
        _section(
            "The fastest of ours by layer, forward",
            ["layer", "side", "GFLOP", "TFLOP/s", "% of the matrix product"],
            _of_roof(told),
        ),
        _section("Points to classes, ms", ["side", "points", "p50", "p95", "p99", "runs"], _latencies(rows)),
        _section("Training", ["side", "ms a step", "clouds/s", "MiB"], _training(rows)),
        _section("Voxels and tables", ["stage", "median [quartiles]", ""], _plain(rows, "geometry", "post")),
        _section("Five runs give the same bits", ["side", ""], _repeatable(rows)),
    ]
    return "\n".join(piece for piece in pieces if piece)


def of_kind(rows: Rows, *kinds: str) -> list[dict[str, Any]]:
    """Rows of these kinds that have a value."""
    return [row for row in rows if row["details"].get("kind") in kinds and not math.isnan(row["value"])]


def spread(row: dict[str, Any]) -> str:
    """Median and quartiles."""
    return f"{row['value']:.4g}" if row["repeats"] < 2 else f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def save_plot(rows: Rows, path: Path) -> Path | None:
    """Time of the network over the number of voxels, by side; None where it was not measured at two sizes."""
    own = [row for row in of_kind(rows, "network") if row["details"]["way"] == "from voxels"]
    if len({row["details"]["voxels"] for row in own}) < 2:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axis = figure.subplots()
    for side in dict.fromkeys(row["details"]["side"] for row in own):
        points = sorted((row["details"]["voxels"], row["value"]) for row in own if row["details"]["side"] == side)
        axis.plot(*zip(*points, strict=True), marker="o", linewidth=2 if side.startswith("ours") else 1, label=side)
    axis.set(xscale="log", yscale="log", xlabel="voxels", ylabel="ms, median", title="From voxels to scores")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    figure.savefig(path, dpi=130)
    return path


def _growth(rows: Rows, kind: str, way: str) -> str:
    own = [row for row in of_kind(rows, kind) if row["details"]["way"] == way]
    return _by_side(own, f"The network, {way}: ms, and how many times the fastest of ours", "voxels")


def _layers(rows: Rows, way: str) -> str:
    own = [row for row in of_kind(rows, "layer") if row["details"]["way"] == way]
    return _by_side(own, f"Layers, {way}: ms, and how many times the fastest of ours", "where", turned=True)


def _by_side(own: Rows, title: str, column: str, turned: bool = False) -> str:
    """A table of sides and columns; a ratio is of medians that took turns in one process."""
    columns = list(dict.fromkeys(row["details"][column] for row in own))
    sides = list(dict.fromkeys(row["details"]["side"] for row in own))
    value = {(row["details"]["side"], row["details"][column]): row["value"] for row in own}
    cells = {}
    for each in columns:
        ours = [value[side, each] for side in sides if side.startswith("ours") and (side, each) in value]
        for side in sides:
            if (side, each) in value:
                ratio = f" ({value[side, each] / min(ours):.2f}x)" if ours else ""
                cells[side, each] = f"{value[side, each]:.3g}{ratio}"
    if turned:
        return _section(
            title, [column, *sides], [[each, *(cells.get((side, each), "-") for side in sides)] for each in columns]
        )
    head = ["side", *(f"{each:,} voxels" for each in columns)]
    return _section(title, head, [[side, *(cells.get((side, each), "-") for each in columns)] for side in sides])


def _of_roof(told: dict[str, Any]) -> list[list[str]]:
    """Work of the neighbours that exist, against the measured rate of a large matrix product in the same precision."""
    roofs = {row["details"]["what"]: row["value"] for row in of_kind(told["rows"], "roof")}
    roof = roofs.get(told["settings"]["precision"])
    own = [row for row in of_kind(told["rows"], "layer") if row["details"]["way"] == "forward"]
    lines = []
    for where in dict.fromkeys(row["details"]["where"] for row in own):
        ours = [row for row in own if row["details"]["where"] == where and row["details"]["side"].startswith("ours")]
        for row in sorted(ours, key=lambda one: one["value"])[:1]:
            gflop = row["details"]["gflop"]
            rate = gflop / row["value"]  # GFLOP per ms
            share = f"{100 * rate / roof:.0f}" if roof else ""
            lines.append([where, row["details"]["side"], f"{gflop:.3g}", f"{rate:.3g}", share])
    return lines


def _latencies(rows: Rows) -> list[list[str]]:
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = {}
    for row in of_kind(rows, "end_to_end"):
        details = row["details"]
        found.setdefault((details["side"], details["points"]), {})[details["percent"]] = row
    return [
        [
            side,
            f"{points:,}",
            *(f"{each[percent]['value']:.3g}" for percent in (50, 95, 99)),
            str(each[50]["details"]["runs"]),
        ]
        for (side, points), each in sorted(found.items(), key=lambda one: (one[0][1], one[1][50]["value"]))
    ]


def _training(rows: Rows) -> list[list[str]]:
    rates = {row["details"]["side"]: spread(row) for row in of_kind(rows, "training_rate")}
    return [
        [row["details"]["side"], spread(row), rates.get(row["details"]["side"], ""), _mib(row["details"].get("mib"))]
        for row in of_kind(rows, "training")
    ]


def _repeatable(rows: Rows) -> list[list[str]]:
    by_side: dict[str, list[float]] = {}
    for row in of_kind(rows, "repeatable"):
        by_side.setdefault(row["details"]["side"], []).append(row["value"])
    return [[side, "yes" if all(values) else "no"] for side, values in by_side.items()]


def _plain(rows: Rows, *kinds: str) -> list[list[str]]:
    return [[row["name"], spread(row), row["unit"]] for row in of_kind(rows, *kinds)]


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _section(title: str, head: Iterable[str], lines: Sequence[Iterable[str]]) -> str:
    if not lines:
        return ""
    head = list(head)
    written = [" | ".join(str(cell).replace("|", "/") for cell in line) for line in (head, ["---"] * len(head), *lines)]
    return f"## {title}\n\n" + "\n".join(f"| {line} |" for line in written) + "\n"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
