"""Forest plot: differences with their intervals, a dot and a line each, dark if the interval excludes 0."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from offline_training.reproduction.base.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN, _OPEN = "#1d4ed8", "#94a3b8"


def forest_plot(title: str, columns: Sequence[str], answers: Sequence[tuple[str, Mapping[str, Interval]]]) -> "Figure":
    """Draw one panel per column, one line per comparison."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 + 2.8 * len(columns), 1.4 + 0.32 * len(answers)), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        axes.axvline(0.0, color="#475569", linewidth=1)
        for place, (_, intervals) in enumerate(answers):
            interval = intervals[column]
            colour = _SHOWN if interval.order else _OPEN
            axes.plot([interval.lower, interval.upper], [place, place], color=colour, linewidth=2)
            axes.plot(interval.value, place, "o", color=colour, markersize=5)
        axes.set_title(column)
        axes.set_xlabel("difference in mean IoU, percentage points")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(answers)), [name for name, _ in answers])
    panels[0].invert_yaxis()
    figure.suptitle(f"{title}: differences with 95 % intervals")
    return figure
