"""What the report says of boxes, by their truth where that is known."""

from collections.abc import Mapping
from html import escape
from typing import Any

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.commands.report_page.table_heads import NO_BAR, table_head
from lidar_vl_core.drawing.charts import ACCENT, bar
from lidar_vl_core.drawing.palette import class_colors
from lidar_vl_core.evaluation.distance import ring_reach
from lidar_vl_core.foundation.errors import shortened

TRUTH_IS_DRAWN = (
    '<p class="note">True boxes are black from above and white in the camera images, below the predicted ones.</p>'
)


def box_tiles(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and note of the headline."""
    quality = metrics.get("box_quality")
    if quality is None or quality["mean_ap"] is None:
        return []
    there = [each["truth"] for each in quality["classes"].values() if each["truth"]]
    return [("mean AP", f"{100 * quality['mean_ap']:.1f} %", f"{sum(there):,} true boxes of {len(there)} classes")]


def box_quality_section(metrics: Mapping[str, Any], classes: ClassTable) -> str:
    """Average precision by class beside the share of true boxes that were found by distance; empty text without truth."""
    quality = metrics.get("box_quality")
    if quality is None:
        return ""
    limits = next(iter(quality["classes"].values()))["ap_at"]
    head = table_head("class", "AP %", "", *(f"{limit} m" for limit in limits), "true", "found")
    rows = [_class_row(name, quality["classes"][name], color) for name, color in _css_colors(classes).items()]
    note = (
        f'<p class="note">Average precision by the distance of centres from above, the mean over the limits, over '
        f"{quality['frames']} frames. Counted are the boxes on {escape(shortened(metrics['box_topic']))} that hold a point and lie in the "
        "detector's range.</p>"
    )
    by_class = f'<table class="plain">{head}{"".join(rows)}</table>{note}'
    rings = "".join(_ring_row(ring) for ring in quality["recall_by_distance"])
    ring_head = table_head("distance", "found %", "", "true")
    ring_note = (
        f'<p class="note">True boxes with a found box of their class within {quality["found_within_m"]:g} m.</p>'
    )
    return (
        f'<section class="pair"><div><h2>Boxes against the truth</h2>{by_class}</div>'
        f'<div><h2>Found by distance</h2><table class="plain">{ring_head}{rings}</table>{ring_note}</div></section>'
    )


def boxes_section(metrics: Mapping[str, Any], classes: ClassTable) -> str:
    """How many boxes were found beside labels where no truth is known; empty text where one is, which tells them, too."""
    if "box_quality" in metrics:
        return ""
    rows = "".join(
        f'<tr><td><i style="background:{color}"></i>{escape(name.replace("_", " "))}</td>'
        f'<td class="number">{metrics["boxes_per_class"][name]:,}</td></tr>'
        for name, color in _css_colors(classes).items()
    )
    table = f'<table class="plain">{table_head("class", "boxes found")}{rows}</table>'
    return f"<section><h2>Boxes</h2>{table}</section>"


def _class_row(name: str, each: Mapping[str, Any], color: str) -> str:
    cells = f'<td><i style="background:{color}"></i>{escape(name.replace("_", " "))}</td>'
    if each["ap"] is None:
        cells += f'<td class="number">not in the truth</td>{NO_BAR}' + "<td></td>" * len(each["ap_at"])
    else:
        cells += f'<td class="number">{100 * each["ap"]:.1f}</td><td class="wide">{bar(each["ap"], color)}</td>'
        cells += "".join(f'<td class="number">{100 * value:.1f}</td>' for value in each["ap_at"].values())
    return f'<tr>{cells}<td class="number">{each["truth"]:,}</td><td class="number">{each["found"]:,}</td></tr>'


def _ring_row(ring: Mapping[str, Any]) -> str:
    if ring["recall"] is None:
        cells = f'<td class="number">none there</td>{NO_BAR}'
    else:
        cells = f'<td class="number">{100 * ring["recall"]:.0f}</td><td class="wide">{bar(ring["recall"], ACCENT)}</td>'
    return f'<tr><td>{ring_reach(ring)}</td>{cells}<td class="number">{ring["truth"]:,}</td></tr>'


def _css_colors(classes: ClassTable) -> dict[str, str]:
    return {
        name: "rgb({},{},{})".format(*rgb)
        for name, rgb in zip(classes.names, class_colors(classes).tolist(), strict=False)
    }
