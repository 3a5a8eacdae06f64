"""One self-contained HTML page about one run: numbers, images, errors, latency, the model's card, how to run it again."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.commands.report_page.box_sections import box_quality_section, box_tiles, boxes_section
from lidar_vl_core.commands.report_page.frame_section import frame_section
from lidar_vl_core.commands.report_page.markdown import markdown
from lidar_vl_core.commands.report_page.report_style import STYLE
from lidar_vl_core.commands.report_page.table_heads import NO_BAR, table_head
from lidar_vl_core.drawing.charts import ACCENT, bar, confusion_table, histogram, line_per_frame
from lidar_vl_core.drawing.palette import class_colors
from lidar_vl_core.drawing.point_view import ViewFrame, content_security_policy, point_view, point_view_style
from lidar_vl_core.evaluation.distance import ring_reach
from lidar_vl_core.evaluation.evaluation import LabelledFrame
from lidar_vl_core.foundation.errors import one_line, shortened


def report(
    title: str,
    metrics: Mapping[str, Any],
    shown: Sequence[tuple[str, LabelledFrame]],
    viewed: Sequence[ViewFrame],
    classes: ClassTable,
    card: str,
    box_classes: ClassTable | None = None,
) -> str:
    """Write the report page.

    metrics: as Evaluation.metrics gives them, and besides `bag`, `model`, `engine`, `latency_is`, `warnings`, `skipped`, `provenance`;
    `intensity` of a recording, `box_topic` where boxes have a truth, `sent` and `drops` where clouds went over a network. shown: (caption, frame) of the frames to draw.
    viewed: thinned frames to turn and filter in the page.
    card: the model's card in Markdown. box_classes: as Evaluation has them. Returns HTML that needs no other file.
    """
    sections = [
        _headline(metrics),
        _warnings(metrics),
        point_view(viewed, classes, metrics["frames"], box_classes),
        _by_distance(metrics),
        *[frame_section(caption, frame, classes, box_classes) for caption, frame in shown[:1]],
        _classes(metrics, classes, box_classes is None),
        box_quality_section(metrics, classes if box_classes is None else box_classes),
        "" if box_classes is None else boxes_section(metrics, box_classes),
        _latency(metrics),
        *[frame_section(caption, frame, classes, box_classes) for caption, frame in shown[1:]],
        f'<section><h2>Model card: {_told(metrics["model"])}</h2><div class="card">{markdown(card)}</div></section>',
        _provenance(metrics),
    ]
    subtitle = f"{metrics['model']} on {metrics['bag']}, engine {metrics['engine']}"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_told(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy())}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{point_view_style()}</style></head><body><header><h1>{_told(title)}</h1><p>{_told(subtitle)}</p></header><main>"
        f"{''.join(sections)}</main></body></html>\n"
    )


def _told(name: object) -> str:
    """A name from a file as it may stand in the page: one line of 300 characters at most."""
    return escape(shortened(name))


def _headline(metrics: Mapping[str, Any]) -> str:
    latency = metrics["latency_ms"]
    frames = max(metrics["frames"], 1)
    tiles = [("frames", f"{metrics['frames']:,}", ""), ("points", f"{metrics['points'] / frames:,.0f}", "per frame")]
    if metrics.get("mean_iou") is not None:
        present = sum(count > 0 for count in metrics["points_per_class"].values())
        tiles.insert(0, ("mean IoU", f"{100 * metrics['mean_iou']:.1f} %", f"pooled, {present} classes in the truth"))
        tiles.insert(1, ("accuracy", f"{100 * metrics['accuracy']:.1f} %", "of the points with a known class"))
    tiles = [*box_tiles(metrics), *tiles]
    if latency["p50"] is not None:
        tiles.append(("latency", f"{latency['p50']:.0f} ms", f"p95 {latency['p95']:.0f}, p99 {latency['p99']:.0f} ms"))
    if "drops" in metrics:
        tiles.append(("drops", f"{metrics['drops']}", f"of {metrics['sent']} clouds sent"))
    if metrics["skipped"]:
        tiles.append(("skipped", f"{len(metrics['skipped'])}", "unreadable clouds"))
    if metrics.get("intensity") is not None:
        field, largest = metrics["intensity"]["field"], metrics["intensity"]["largest"]
        tiles.append(("intensity", _told(field or "none"), f"{largest:g} becomes 1" if field else "0 everywhere"))
    tiles += [(f"{what} frame", _frame_link(frame["index"]), note) for what, frame, note in _extreme_frames(metrics)]
    cells = "".join(
        f'<div class="tile"><span>{escape(name)}</span><strong>{value}</strong><small>{escape(note)}</small></div>'
        for name, value, note in tiles
    )
    return f'<section class="tiles">{cells}</section>'


def _extreme_frames(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    """Best and worst frame by their mean IoU; without truth the one the network is least sure of."""
    judged = [frame for frame in metrics["per_frame"] if frame["mean_iou"] is not None]
    if judged:
        best, worst = (pick(judged, key=lambda frame: frame["mean_iou"]) for pick in (max, min))
        return [
            (what, frame, f"mean IoU {100 * frame['mean_iou']:.1f} %")
            for what, frame in (("best", best), ("worst", worst))
        ]
    known = [frame for frame in metrics["per_frame"] if frame.get("mean_confidence") is not None]
    if not known:
        return []
    least = min(known, key=lambda frame: frame["mean_confidence"])
    return [("least sure", least, f"mean confidence {100 * least['mean_confidence']:.0f} %")]


def _frame_link(index: int) -> str:
    return f'<a href="#frame={index}">{index}</a>'


def _by_distance(metrics: Mapping[str, Any]) -> str:
    rows = []
    for ring in metrics.get("by_distance", ()):
        if ring["mean_iou"] is None:
            cells = f'<td class="number">no points</td>{NO_BAR}<td></td>'
        else:
            cells = (
                f'<td class="number">{100 * ring["mean_iou"]:.1f}</td><td class="wide">{bar(ring["mean_iou"], ACCENT)}</td>'
                f'<td class="number">{100 * ring["accuracy"]:.1f}</td>'
            )
        rows.append(f'<tr><td>{ring_reach(ring)}</td>{cells}<td class="number">{ring["points"]:,}</td></tr>')
    if not rows:
        return ""
    head = table_head("distance", "mean IoU %", "", "accuracy %", "points")
    note = '<p class="note">Each ring is evaluated separately, over the classes that occur in it.</p>'
    return f'<section><h2>Quality by distance</h2><table class="plain">{head}{"".join(rows)}</table>{note}</section>'


def _warnings(metrics: Mapping[str, Any]) -> str:
    lines = [str(warning) for warning in metrics["warnings"]]
    lines += [f"cloud {skipped['index']} skipped: {skipped['reason']}" for skipped in metrics["skipped"][:20]]
    if len(metrics["skipped"]) > 20:
        lines.append(f"and {len(metrics['skipped']) - 20} more skipped clouds, listed in metrics.json")
    if not lines:
        return ""
    items = "".join(f"<li>{escape(one_line(line))}</li>" for line in lines)
    return f'<section class="warnings"><h2>Warnings</h2><ul>{items}</ul></section>'


def _classes(metrics: Mapping[str, Any], classes: ClassTable, labels_are_of_boxes: bool) -> str:
    colors = class_colors(classes)
    truth = metrics.get("points_per_class")
    predicted = metrics["predicted_points_per_class"]
    boxes = metrics.get("boxes_per_class") if labels_are_of_boxes else None
    rows = []
    for class_id, name in enumerate(classes.names):
        color = f"rgb({colors[class_id][0]},{colors[class_id][1]},{colors[class_id][2]})"
        cells = f'<td><i style="background:{color}"></i>{escape(name.replace("_", " "))}</td>'
        if truth is not None:
            iou = metrics["per_class_iou"][name] if truth[name] else None
            number = "not in the truth" if iou is None else f"{100 * iou:.1f}"
            cells += f'<td class="number">{number}</td><td class="wide">{"" if iou is None else bar(iou, color)}</td>'
            cells += f'<td class="number">{truth[name]:,}</td>'
        if boxes is not None:
            cells += f'<td class="number">{boxes[name]:,}</td>'
        rows.append(f'<tr>{cells}<td class="number">{predicted[name]:,}</td></tr>')
    columns = [] if truth is None else ["IoU %", "", "points in truth"]
    columns += ["points predicted"] if boxes is None else ["boxes", "points in them"]
    table = f'<table class="plain">{table_head("class", *columns)}{"".join(rows)}</table>'
    heat = ""
    if truth is not None:
        heat = "<div><h2>Confusion, percent of each true class</h2>{}</div>".format(
            confusion_table(
                [
                    [*row, metrics["no_answer_per_class"][name]]
                    for row, name in zip(metrics["confusion"], metrics["classes"], strict=True)
                ],
                metrics["classes"],
                [*metrics["classes"], "no_answer"],
            )
        )
        means = [
            f"{100 * metrics[key]:.1f} %" if metrics[key] is not None else "-"
            for key in ("mean_iou", "mean_iou_all_classes")
        ]
        table += (
            f'<p class="note">Mean over the classes that occur in the truth {means[0]}; over all classes, one '
            f"that does not occur as 0, {means[1]}. One confusion matrix over all frames.</p>"
        )
    return f'<section class="pair"><div><h2>Classes</h2>{table}</div>{heat}</section>'


def _latency(metrics: Mapping[str, Any]) -> str:
    summary = metrics["latency_ms"]
    samples = [frame["latency_ms"] for frame in metrics["per_frame"] if frame["latency_ms"] is not None]
    table, parts = "", []
    if samples:
        marks = {name: summary[name] for name in ("p50", "p95", "p99")}
        rows = [("total", summary), *summary["by_stage"].items()]
        cells = "".join(
            f"<tr><td>{escape(stage.replace('_', ' '))}</td>"
            + "".join(f'<td class="number">{row[name]:.1f}</td>' for name in marks)
            + "</tr>"
            for stage, row in rows
        )
        head = table_head("stage", *(f"{name} ms" for name in marks))
        meaning = f'<p class="note">{escape(metrics["latency_is"])}</p>'
        table = f'{meaning}<table class="plain">{head}{cells}</table>'
        parts = [
            histogram(samples, marks, "milliseconds per cloud"),
            line_per_frame(samples, "milliseconds, frame by frame", top=max(samples)),
        ]
    quality = [frame["mean_iou"] for frame in metrics["per_frame"]]
    parts.append(line_per_frame(quality, "mean IoU, frame by frame", top=1.0))
    if not any(parts):
        return ""
    charts = f"<div><h2>Latency and frames</h2>{''.join(parts)}</div>"
    return f'<section class="pair">{charts}<div>{table}</div></section>'


def _provenance(metrics: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(name).replace('_', ' '))}</th><td><code>{escape(one_line(str(value)))}</code></td></tr>"
        for name, value in metrics["provenance"].items()
    )
    return f'<section><h2>How this was made</h2><table class="plain">{rows}</table></section>'
