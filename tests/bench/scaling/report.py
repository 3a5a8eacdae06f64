"""Slopes and what follows from them, as Markdown and as a plot."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.files import read_json
from tests.bench.report.machine import machine
from tests.bench.report.markdown import table
from tests.bench.report.slopes import Line
from tests.bench.scaling.axis import Ratio, interval
from tests.bench.scaling.model import Estimate, Measured, Scenario


def saved(out: Path) -> dict[str, Any]:
    """Axes, ratios and the step of all saved measurements of this machine."""
    told: dict[str, Any] = {"axes": [], "ratios": [], "step": None}
    for path in sorted((out / "axes").glob("*.json")):
        content = read_json(path)
        if content["machine"] == machine():
            told["axes"] += content.get("axes", [])
            told["ratios"] += content.get("ratios", [])
            told["step"] = content.get("step", told["step"])
    return told


def measured_of(told: dict[str, Any]) -> Measured:
    """What the model takes."""
    lines = {axis["name"]: Line(**axis["line"]) for axis in told["axes"]}
    ratios = {ratio["name"]: Ratio(**ratio) for ratio in told["ratios"]}
    step = told["step"]
    return (
        Measured(lines, ratios)
        if step is None
        else Measured(lines, ratios, step["cpu_s"], step["batch"], step["weights"])
    )


def markdown(told: dict[str, Any], found: list[Estimate], scenario: Scenario) -> str:
    """Tables: slopes, ratios, estimates; and the scenario."""
    about = machine()
    slopes = [
        [
            axis["name"], _bounds(axis["line"]), f"{axis['unit']} for one more of {axis['x_unit']}", _bounds(axis["power"]),
            f"{min(axis['x']):g} to {max(axis['x']):g}",
        ]
        for axis in told["axes"]
    ]  # fmt: skip
    ratios = [
        [
            ratio["name"],
            f"{ratio['workers']}",
            interval(ratio["value"], ratio["low"], ratio["high"]),
            f"{100 * ratio['value'] / ratio['workers']:.0f} %",
        ]
        for ratio in told["ratios"]
    ]
    answers = [[each.name, interval(each.value, each.low, each.high), each.unit, each.assumes] for each in found]
    assumed = ", ".join(f"{name} {value:g}" for name, value in asdict(scenario).items())
    how = "\n".join(f"- {each['name']}: {each['how']}" for each in (*told["axes"], *told["ratios"]))
    pieces = [
        f"# Scaling\n\n{about['processor']}, {about['cores']} cores. In parentheses the 95 % intervals.\n",
        "## Measured slopes\n\n" + table(["axis", "slope", "", "as a power", "measured at"], slopes),
        "## Several against one\n\n" + table(["what", "workers", "times as fast", "efficiency"], ratios),
        f"## What follows\n\nAssumed: {assumed}.\n\n" + table(["what", "estimate", "", "assumes"], answers),
        f"## How it was measured\n\n{how}\n",
    ]
    return "\n".join(pieces)


def save_plot(told: dict[str, Any], out: Path) -> Path | None:
    """OUT/scaling.png: every axis with its line and the interval of the line."""
    axes = told["axes"]
    if not axes:
        return None
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(axes) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, axis in zip(panels, axes, strict=False):
        _panel(panel, axis)
    for panel in panels[len(axes) :]:
        panel.set_axis_off()
    path = out / "scaling.png"
    figure.savefig(path, dpi=110)
    return path


def _panel(panel: Any, axis: dict[str, Any]) -> None:
    line = Line(**axis["line"])
    x = np.linspace(0, 1.05 * max(axis["x"]), 50)
    low, high = zip(*(line.interval_at(value) for value in x), strict=True)
    panel.fill_between(x, low, high, alpha=0.2, linewidth=0)
    panel.plot(x, [line.at(value) for value in x], linewidth=1.2)
    panel.plot(axis["x"], axis["y"], "o", color="black", markersize=4)
    panel.set_title(f"{axis['name']}\n~ {axis['x_unit']}^{_bounds(axis['power'])}", fontsize=9)
    panel.set_xlabel(axis["x_unit"], fontsize=8)
    panel.set_ylabel(axis["unit"], fontsize=8)
    if max(axis["x"]) >= 1000:
        panel.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    panel.set_xlim(0, None)
    panel.set_ylim(0, 1.25 * max(axis["y"]))
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.2)


def _bounds(line: dict[str, float]) -> str:
    return interval(line["slope"], line["slope_low"], line["slope_high"])
