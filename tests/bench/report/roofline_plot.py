"""The roofline of this machine with every layer of the measured networks as a point."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.report.markdown import Rows, of_kind

_MARKS = {"subm": ("o", "3x3x3"), "child": ("v", "2x2x2 down"), "up": ("^", "2x2x2 up"), "linear": ("s", "1x1x1")}
_LEVELS = 5
_X = (2.0, 400.0)  # operations per byte


def save_roofline(rows: Rows, out: Path) -> Path | None:
    """OUT/roofline.png, or None where layers were not measured."""
    networks, roofs = of_kind(rows, "network"), of_kind(rows, "roof")
    if not networks or not roofs:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(networks), 5.4), layout="constrained")
    axes = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=True):
        _panel(axis, network, of_kind(rows, "layer"), roofs[0]["details"])
    axes[0].set_ylabel("GFLOP/s reached")
    figure.legend(handles=_legend(), loc="outside lower center", fontsize=9, ncols=9, frameon=False)
    path = out / "roofline.png"
    figure.savefig(path, dpi=130)
    return path


def _panel(axis: Any, network: dict[str, Any], layers: Rows, roof: dict[str, Any]) -> None:
    about = network["details"]
    own = [row["details"] for row in layers if row["details"]["network"] == about["network"]]
    x = np.geomspace(*_X, 200)
    roof_gflop_s = np.minimum(roof["gflop_s"], roof["gbyte_s"] * x)
    axis.plot(x, roof_gflop_s, color="black", linewidth=1.5)
    axis.fill_between(x, roof_gflop_s, 10 * roof["gflop_s"], color="black", alpha=0.06, linewidth=0)
    lines = f"{roof['gflop_s']:.0f} GFLOP/s in registers, {roof['gbyte_s']:.0f} GB/s from memory"
    axis.annotate(lines, (0.98, 0.98), xycoords="axes fraction", ha="right", va="top", fontsize=9)
    for layer in own:
        axis.scatter(
            layer["flop_per_byte"], layer["gflop_s"], s=14 + 30 * layer["percent_of_time"], marker=_MARKS[layer["layer_kind"]][0],
            color=_colour(layer["level"]), alpha=0.75, edgecolors="black", linewidths=0.5, zorder=3,
        )  # fmt: skip
    axis.axhline(about["gflop_s"], color="tab:red", linewidth=1, linestyle="--")
    share = f"whole network {about['gflop_s']:.0f} GFLOP/s, {about['percent_of_peak']:.0f} %"
    axis.annotate(
        share, (_X[0] * 1.05, about["gflop_s"]), (0, 3), textcoords="offset points", color="tab:red", fontsize=9
    )
    lowest = min([layer["gflop_s"] for layer in own] + [about["gflop_s"]])
    axis.set(xscale="log", yscale="log", xlim=_X, ylim=(lowest / 1.5, 2 * roof["gflop_s"]))
    axis.set_xlabel("operations per byte that cannot be avoided; area of a point: share of the time")
    axis.set_title(
        f"{about['network']}, {about['voxels']:,} voxels: {network['value']:.0f} ms on {roof['cores']} cores"
    )
    axis.grid(which="both", alpha=0.2)


def _legend() -> list[Any]:
    from matplotlib.lines import Line2D

    kinds = [
        Line2D([], [], marker=mark, linestyle="", color="grey", markeredgecolor="black", label=label)
        for mark, label in _MARKS.values()
    ]
    levels = [
        Line2D([], [], marker="o", linestyle="", color=_colour(level), label=f"level {level}")
        for level in range(_LEVELS)
    ]
    return [*kinds, *levels]


def _colour(level: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](level / (_LEVELS - 1))
