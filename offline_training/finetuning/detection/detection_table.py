"""Metrics of a detector as text: a table for each benchmark that its data sets are judged by, figures in percent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Source = Mapping[str, Any]  # of the metrics of evaluate_detector()
Row = tuple[str, list[str]]
_KITTI_MEASURES = ("3d", "bev", "2d", "aos")
_DIFFICULTIES = ("easy", "moderate", "hard")


def detection_table(metrics: Mapping[str, Any]) -> str:
    """A table for each benchmark: its numbers down, the data sets across."""
    blocks = []
    for benchmark, (title, rows) in _TABLES.items():
        sources = [source for source in metrics["sources"] if source["benchmark"] == benchmark]
        if sources:
            blocks.append(_table(title, [source["title"] for source in sources], rows(sources)))
    return "\n\n".join(blocks)


def _centre_rows(sources: Sequence[Source]) -> list[Row]:
    """AP of every class, of how many things, and the median angle between the axes of those found."""
    rows: list[Row] = [
        (name, [_centre_cell(source["classes"][name]) for source in sources]) for name in sources[0]["classes"]
    ]
    return [*rows, ("mAP", [_percent(source["mean_ap"]) for source in sources])]


def _kitti_rows(sources: Sequence[Source]) -> list[Row]:
    """AP over 40 recalls of every class and measure: easy, moderate, hard."""
    rows: list[Row] = []
    for name in sources[0]["classes"]:
        for measure in _KITTI_MEASURES:
            rows.append((f"{name} {measure}", [_three(source["classes"][name].get(measure)) for source in sources]))
    return [*rows, ("mean 3d moderate", [_percent(source["score"]) for source in sources])]


def _nuscenes_rows(sources: Sequence[Source]) -> list[Row]:
    """AP of every class, mAP, the errors (metres, shares, radians, m/s), and NDS."""
    rows: list[Row] = [
        (name, [_percent(source["classes"][name]["ap"]) for source in sources]) for name in sources[0]["classes"]
    ]
    rows.append(("mAP", [_percent(source["mean_ap"]) for source in sources]))
    for error in sources[0]["mean_errors"]:
        rows.append((error, [f"{source['mean_errors'][error]:.3f}" for source in sources]))
    return [*rows, ("NDS", [_percent(source["nds"]) for source in sources])]


_TABLES: Mapping[str, tuple[str, Callable[[Sequence[Source]], list[Row]]]] = {
    "kitti": ("KITTI AP R40, easy / moderate / hard", _kitti_rows),
    "nuscenes": ("nuScenes detection", _nuscenes_rows),
    "centre_distance": (
        "AP by centre distance 0.5 to 4 m, of how many; median angle between the axes in degrees",
        _centre_rows,
    ),
}


def _table(title: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    cells = [("", list(columns)), *rows]
    width = max(len(cell) for _, row in cells for cell in row) + 2
    first = max(len(name) for name, _ in cells) + 2
    lines = [f"{name:{first}}" + "".join(f"{cell:>{width}}" for cell in row) for name, row in cells]
    return "\n".join([title, *lines])


def _centre_cell(found: Mapping[str, Any]) -> str:
    angle = found["axis_error_deg"]
    return f"{_percent(found['ap'])} of {found['truth']}" + ("" if angle is None else f"; {angle:.0f}")


def _three(by_difficulty: Mapping[str, Any] | None) -> str:
    if by_difficulty is None:
        return "-"
    return " / ".join(_percent(by_difficulty[difficulty]["ap_r40"]) for difficulty in _DIFFICULTIES)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
