"""A study's numbers beside the published ones: a Markdown table and a plot. Touches the disk."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.files import atomic_writer, write_text
from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.paired import paired_lines
from offline_training.reproduction.base.study import StudyColumn, StudyConfig, StudyRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_table(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell], out: Path) -> None:
    """Write table.md, plot.png and cells.json; cells not measured yet are empty."""
    write_text(out / "table.md", markdown_table(study, rows, cells))
    write_text(out / "cells.json", cells_text(cells))
    with atomic_writer(out / "plot.png") as handle:
        _figure(study, rows, cells).savefig(handle, format="png", dpi=110)


def cells_text(cells: Sequence[Cell]) -> str:
    """The numbers as JSON."""
    return json.dumps([asdict(cell) for cell in cells], indent=1)


def markdown_table(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell]) -> str:
    """The values, followed by the paired differences between each row and the first one, if two seeds are measured."""
    paired = paired_lines(study, rows, cells)
    return "\n".join([*value_lines(study, rows, cells), *([""] if paired else []), *paired]) + "\n"


def value_lines(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell]) -> list[str]:
    """Rows and columns of the study: our mean and spread over the seeds, then the published number and the difference."""
    head = ["row", *(column.name for column in study.columns)]
    lines = [
        f"# {study.title}",
        "",
        study.source,
        "",
        f"Ours: mean +- standard deviation over the seeds {', '.join(map(str, study.seeds))}"
        " (n if fewer are measured)."
        + (" [number in the paper, ours minus paper]" if any(row.published for row in rows) else ""),
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in rows:
        texts = [
            _text(values_of(cells, row, column), row.published.get(column.name), len(study.seeds))
            for column in study.columns
        ]
        lines.append("| " + " | ".join([row.name, *texts]) + " |")
    return lines


def values_of(cells: Sequence[Cell], row: StudyRow, column: StudyColumn) -> list[float]:
    """The measured numbers of a row and column, ordered by seed."""
    mine = [cell for cell in cells if cell.row == row.name and cell.column == column.name]
    return [cell.value for cell in sorted(mine, key=lambda cell: cell.seed)]


def _text(values: list[float], published: float | None, seeds: int) -> str:
    ours = "-"
    if values:
        ours = f"{mean(values):.2f}" + (f" +- {stdev(values):.2f}" if len(values) > 1 else "")
        ours += f" (n={len(values)})" if len(values) < seeds else ""
    if published is None:
        return ours
    difference = f", {mean(values) - published:+.2f}" if values else ""
    return f"{ours} [{published:g}{difference}]"


def _figure(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell]) -> "Figure":
    """Draw one panel per column: a bar per row, a dot per seed, a line at the paper's number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 + 3.6 * len(study.columns), 1.2 + 0.36 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(study.columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, study.columns, strict=True):
        for place, row in enumerate(rows):
            values = values_of(cells, row, column)
            if values:
                axes.barh(place, mean(values), color="#93c5fd")
                axes.plot(values, [place] * len(values), "o", color="#1d4ed8", markersize=4)
            if column.name in row.published:
                axes.plot([row.published[column.name]] * 2, [place - 0.4, place + 0.4], color="#dc2626")
        axes.set_title(column.name)
        axes.set_xlabel({"hours": "hours", "minutes": "minutes", "memory_gb": "GB"}.get(column.measure, "%"))
    panels[0].set_yticks(range(len(rows)), [row.name for row in rows])
    panels[0].invert_yaxis()
    figure.suptitle(study.title)
    return figure
