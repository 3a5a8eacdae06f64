"""All rows of a run as Markdown: what the vehicle path takes, layers, engines, then everything else."""

from collections.abc import Iterable, Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]


def markdown(told: dict[str, Any]) -> str:
    """told: {"machine", "quick", "seconds", "rows"}."""
    machine, rows = told["machine"], told["rows"]
    minutes = sum(told["seconds"].values()) / 60
    head = (
        f"# Benchmark\n\n{machine['processor']}, {machine['cores']} cores, Python {machine['python']}. Measured in {minutes:.0f} minutes. "
        "Medians; in brackets the quartiles, of growth the 95 % interval.\n"
    )
    pieces = [head, _stages(rows), _node(rows), _engines(rows), _layers(rows), _others(rows)]
    return "\n".join(piece for piece in pieces if piece)


def of_kind(rows: Rows, kind: str) -> list[dict[str, Any]]:
    """The rows whose details are of this kind."""
    return [row for row in rows if row.get("details", {}).get("kind") == kind]


def spread(row: dict[str, Any]) -> str:
    """Median and quartiles, e.g. "12.3 [12.1, 12.9]"; a value alone where it has none."""
    if "low" not in row or (row.get("repeats", 2) == 1 and row["low"] == row["high"]):
        return f"{row['value']:.4g}"
    return f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    head = list(head)
    written = [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]
    return "\n".join(written) + "\n"


def _stages(rows: Rows) -> str:
    own = of_kind(rows, "stage")
    if not own:
        return ""
    stages = list(dict.fromkeys(row["details"]["stage"] for row in own))
    growth = {row["details"].get("stage"): row for row in of_kind(rows, "growth")}
    sizes = {row["details"]["voxels"]: row["details"]["points"] for row in own}
    cells = {(row["details"]["stage"], row["details"]["voxels"]): spread(row) for row in own}
    head = ["ms", *(f"{voxels / 1000:.0f}k voxels, {points / 1000:.0f}k points" for voxels, points in sizes.items())]
    lines = [
        [stage, *(cells[stage, voxels] for voxels in sizes), spread(growth[stage]) if stage in growth else ""]
        for stage in stages
    ]
    return "## The vehicle path without ROS, by stage\n\n" + table([*head, "grows with the power of"], lines)


def _node(rows: Rows) -> str:
    own = of_kind(rows, "node_part")
    sizes = list(dict.fromkeys(row["details"]["points"] for row in own))
    parts = list(dict.fromkeys(row["details"]["part"] for row in own))
    cells = {(row["details"]["part"], row["details"]["points"]): spread(row) for row in own}
    lines = [[part, *(cells[part, points] for points in sizes)] for part in parts]
    title = "## The segmentation node, end to end\n\n"
    return title + table(["ms", *(f"{points // 1000}k points" for points in sizes)], lines) if own else ""


def _engines(rows: Rows) -> str:
    own = [*of_kind(rows, "engine"), *of_kind(rows, "ratio")]
    if not own:
        return ""
    cells: dict[str, dict[int, str]] = {}
    for row in own:
        details = row["details"]
        name = f"{details['engine']}, ms" if "engine" in details else f"{details['peer']} / {details['ours']}"
        cells.setdefault(name, {})[details["voxels"]] = spread(row)
    growth = {f"{row['details'].get('engine')}, ms": row for row in of_kind(rows, "growth")}
    sizes = sorted({row["details"]["voxels"] for row in own})
    lines = [
        [name, *(by_size.get(size, "-") for size in sizes), spread(growth[name]) if name in growth else ""]
        for name, by_size in cells.items()
    ]
    head = ["MinkUNet18A", *(f"{size / 1000:.0f}k voxels" for size in sizes), "grows with the power of"]
    return "## Engines side by side\n\nRatios are paired: each of two runs one after the other.\n\n" + table(
        head, lines
    )


def _layers(rows: Rows) -> str:
    pieces = []
    for whole in of_kind(rows, "network"):
        about = whole["details"]
        own = [row for row in of_kind(rows, "layer") if row["details"]["network"] == about["network"]]
        lines = [
            [
                f"{d['number']:02d}", d["shape"], spread(row), f"{d['percent_of_time']:.1f}", f"{d['gflop']:.3f}",
                f"{d['flop_per_byte']:.0f}", f"{d['gflop_s']:.0f}", f"{d['percent_of_roof']:.0f}",
            ]
            for row in own for d in [row["details"]]
        ]  # fmt: skip
        head = ["layer", "what", "ms", "% of time", "GFLOP", "FLOP/byte", "GFLOP/s", "% of its roof"]
        sum_of_all = (
            f"In one run {spread(whole)} ms for {about['gflop']:.2f} GFLOP: {about['gflop_s']:.0f} GFLOP/s, "
            f"{about['percent_of_peak']:.0f} % of what the registers multiply and add.\n\n"
        )
        pieces.append(
            f"## {about['network']} by layer, {about['voxels']:,} voxels\n\n{sum_of_all}" + table(head, lines)
        )
    return "\n".join(pieces)


def _others(rows: Rows) -> str:
    shown = {"stage", "node_part", "engine", "ratio", "layer", "growth"}
    lines = [
        [row["part"], row["name"], spread(row), row["unit"], row["target"] or "", _verdict(row)]
        for row in rows
        if row.get("details", {}).get("kind") not in shown or row["target"]
    ]
    return "## All other parts, and every target\n\n" + table(["part", "what", "value", "unit", "target", ""], lines)


def _verdict(row: dict[str, Any]) -> str:
    return {True: "ok", False: "missed", None: ""}[row["passed"]]
