"""Time against the number of voxels: stages of the vehicle path, and engines side by side."""

from pathlib import Path
from typing import Any

from tests.bench.report.markdown import Rows, of_kind


def save_growth(rows: Rows, out: Path) -> Path | None:
    """OUT/growth.png, or None where neither was measured."""
    panels = [
        ("vehicle path of the demo model, without ROS", "stage", of_kind(rows, "stage")),
        ("MinkUNet18A by engine", "engine", of_kind(rows, "engine")),
    ]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8 * len(panels), 6.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    growth = of_kind(rows, "growth")
    for axis, (title, key, own) in zip(axes, panels, strict=True):
        _panel(axis, key, own, {row["details"].get(key): row for row in growth})
        axis.set_title(title)
    axes[0].set_ylabel("ms, median; bars are quartiles")
    path = out / "growth.png"
    figure.savefig(path, dpi=130)
    return path


def _panel(axis: Any, key: str, rows: Rows, growth: dict[str, dict[str, Any]]) -> None:
    for name in dict.fromkeys(row["details"][key] for row in rows):
        own = sorted((row for row in rows if row["details"][key] == name), key=lambda row: row["details"]["voxels"])
        x, y = [row["details"]["voxels"] for row in own], [row["value"] for row in own]
        below = [max(row["value"] - row["low"], 0.0) for row in own]
        above = [max(row["high"] - row["value"], 0.0) for row in own]
        label = name
        if name in growth:
            slope = growth[name]
            label = f"{name}  ~ N^{slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}]"
        width = 2.4 if name in ("all", "fused") else 1.2
        axis.errorbar(x, y, yerr=(below, above), marker="o", markersize=4, linewidth=width, capsize=2, label=label)
    axis.set(xscale="log", yscale="log", xlabel="voxels")
    axis.grid(which="both", alpha=0.2)
    axis.legend(
        fontsize=9, ncols=2, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1),
        title="how time grows with the number N of voxels, 95 % interval", title_fontsize=9,
    )  # fmt: skip
