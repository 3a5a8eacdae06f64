"""Small charts as inline SVG and HTML, without a library: bars, a histogram, a confusion heat map, a line per frame."""

from collections.abc import Sequence
from html import escape

import numpy as np

ACCENT = "#2563eb"
_MUTED = "#94a3b8"


def bar(fraction: float, color: str) -> str:
    """A horizontal bar for a table cell; fraction 0..1."""
    width = 100 * min(max(fraction, 0.0), 1.0)
    return f'<div class="bar"><div style="width:{width:.1f}%;background:{color}"></div></div>'


def histogram(values: Sequence[float], marks: dict[str, float], unit: str) -> str:
    """Counts of values in 30 bins, with named vertical marks; empty text without values."""
    if len(values) == 0:
        return ""
    data = np.asarray(values, np.float64)
    low, high = float(data.min()), float(data.max())
    low, high = max(0.0, low - 0.05 * (high - low) - 0.1), high + 0.05 * (high - low) + 0.1
    counts, edges = np.histogram(data, bins=30, range=(low, high))
    width, height, base = 640, 190, 150

    def x_of(value: float) -> float:
        return 10 + (value - low) / (high - low) * (width - 20)

    parts = [f'<svg viewBox="0 0 {width} {height}" class="chart" role="img" aria-label="histogram in {escape(unit)}">']
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        tall = count / counts.max() * (base - 40)
        parts.append(
            f'<rect x="{x_of(left) + 1:.1f}" y="{base - tall:.1f}" width="{x_of(right) - x_of(left) - 2:.1f}" '
            f'height="{tall:.1f}" fill="{ACCENT}" opacity="0.75"><title>{count} from {left:.1f} to {right:.1f} {escape(unit)}</title></rect>'
        )
    parts.append(f'<line x1="10" x2="{width - 10}" y1="{base}" y2="{base}" stroke="{_MUTED}"/>')
    for place in _round_places(low, high):
        parts.append(f'<text x="{x_of(place):.1f}" y="{base + 16}" class="tick">{place:g}</text>')
    parts.append(f'<text x="{width / 2}" y="{base + 34}" class="tick">{escape(unit)}</text>')
    for level, (name, value) in enumerate(marks.items()):
        x, y = x_of(value), 12 + 13 * level
        anchor = "end" if x > width * 0.8 else "start"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8}" y2="{base}" stroke="#dc2626" stroke-dasharray="4 3"/>'
            f'<text x="{x + (4 if anchor == "start" else -4):.1f}" y="{y}" class="mark" text-anchor="{anchor}">{escape(name)} {value:.1f}</text>'
        )
    return "".join(parts) + "</svg>"


def line_per_frame(values: Sequence[float | None], label: str, top: float) -> str:
    """One value per frame from left to right, 0 at the bottom; frames without a value leave a gap."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return ""
    width, height, left = 640, 150, 44
    step = (width - left - 10) / max(len(values) - 1, 1)

    def y_of(value: float) -> float:
        return 120 - min(value / top, 1.0) * 105

    points = " ".join(f"{left + place * step:.1f},{y_of(value):.1f}" for place, value in known)
    grid = "".join(
        f'<line x1="{left}" x2="{width - 10}" y1="{y_of(level):.1f}" y2="{y_of(level):.1f}" stroke="#e2e8f0"/>'
        f'<text x="{left - 6}" y="{y_of(level) + 4:.1f}" class="tick" text-anchor="end">{level:.3g}</text>'
        for level in (0.0, top / 2, top)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" class="chart" role="img" aria-label="{escape(label)}">{grid}'
        f'<polyline points="{points}" fill="none" stroke="{ACCENT}" stroke-width="2"/>'
        f'<text x="{width / 2}" y="{height - 8}" class="tick">{escape(label)}</text></svg>'
    )


def confusion_table(counts: Sequence[Sequence[int]], row_names: Sequence[str], column_names: Sequence[str]) -> str:
    """Row-normalised heat map; rows of the truth that do not occur, and columns never used, are left out."""
    matrix = np.asarray(counts, np.int64)
    rows = np.flatnonzero(matrix.sum(axis=1) > 0).tolist()
    columns = [column for column in range(matrix.shape[1]) if matrix[:, column].sum() > 0 or column in rows]
    head = "".join(f'<th class="upright"><div>{_pretty(column_names[column])}</div></th>' for column in columns)
    lines = []
    for row in rows:
        total = matrix[row].sum()
        cells = "".join(_heat_cell(int(matrix[row, column]), int(total), row == column) for column in columns)
        lines.append(f"<tr><th>{_pretty(row_names[row])}</th>{cells}</tr>")
    return f'<table class="heat"><tr><th class="corner">truth \\ prediction</th>{head}</tr>{"".join(lines)}</table>'


def _round_places(low: float, high: float) -> list[float]:
    """Four to ten round numbers between two values."""
    step = 10.0 ** np.floor(np.log10((high - low) / 2))
    step *= next(factor for factor in (0.5, 1, 2, 5) if (high - low) / (step * factor) <= 10)
    return [float(place) for place in np.arange(np.ceil(low / step), high / step) * step]


def _heat_cell(count: int, total: int, is_right: bool) -> str:
    share = count / total
    rgb = (22, 101, 52) if is_right else (185, 28, 28)
    ink = "#fff" if share > 0.55 else "#1e293b"
    text = "" if share < 0.005 else f"{100 * share:.0f}"
    style = f"background:rgba({rgb[0]},{rgb[1]},{rgb[2]},{share:.3f});color:{ink}"
    return f'<td style="{style}" title="{count} of {total} points">{text}</td>'


def _pretty(name: str) -> str:
    return escape(name.replace("_", " "))
