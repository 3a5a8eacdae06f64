"""What `lidar-vl top` shows: the summaries of all nodes as lines of a terminal. No ROS here."""

from collections.abc import Iterable, Mapping

from lidar_vl_ros.health.health import ERROR, OK, WARN, Report
from lidar_vl_ros.health.summary import LEVELS, Summary

_STALE_S = 3.0  # a node publishes its summary every second
_COLOURS = {OK: "\x1b[32m", WARN: "\x1b[33m", ERROR: "\x1b[31m"}
_PLAIN = "\x1b[0m"
_MOST_CLASSES = 5
_SHARE = "share "  # how the classes stand among the figures of answers


def top_text(heard: Iterable[tuple[Summary, float]], width: int, colours: bool) -> str:
    """The summaries as lines of at most `width` characters. heard: each node's last summary, and its age in seconds."""
    blocks = [_block(summary, ago_s, width, colours) for summary, ago_s in sorted(heard, key=lambda each: each[0].node)]
    if not blocks:
        return "no node of lidar_vl_ros found: is one running, with the same ROS_DOMAIN_ID?\n"
    return "\n".join(line for block in blocks for line in (*block, ""))


def _block(summary: Summary, ago_s: float, width: int, colours: bool) -> list[str]:
    if ago_s > _STALE_S:
        return [_coloured(f"{summary.node}: silent for {ago_s:.0f} s", ERROR, width, colours)]
    lines = [_coloured(f"{summary.node}  {_headline(summary.reports)}", summary.level, width, colours)]
    for name, report in summary.reports.items():
        level = LEVELS[report.level]
        lines.append(_coloured(f"  {level:<5} {name:<12} {report.message}", report.level, width, colours))
        if classes := _classes(report.values):
            lines.append(_coloured(f"        {classes}", OK, width, colours=False))
    return lines


def _headline(reports: Mapping[str, Report]) -> str:
    """State, clouds per second in and out, times and memory; what is unknown is left out."""
    processing, taken = _values(reports, "processing"), _values(reports, "input")
    parts = [
        (processing.get("state"), "{}"),
        (taken.get("received_per_s"), "in {}/s"),
        (processing.get("served_per_s"), "out {}/s"),
        (processing.get("processing_ms_p50"), "takes {} ms"),
        (processing.get("latency_ms_p95"), "latency p95 {} ms"),
        (_values(reports, "memory").get("rss_mb"), "{} MB"),
    ]
    return "  ".join(form.format(value) for value, form in parts if value is not None)


def _classes(values: Mapping[str, str]) -> str:
    """The most frequent classes of a model's answers and its confidence; empty for other reports."""
    shares = {name.removeprefix(_SHARE): value for name, value in values.items() if name.startswith(_SHARE)}
    if not shares:
        return ""
    first = ", ".join(f"{name} {value}" for name, value in list(shares.items())[:_MOST_CLASSES])
    drift = f"confidence {values.get('confidence', '?')} ({values.get('confidence_drift', '?')})"
    return f"{first}; {drift}, histogram drift {values.get('histogram_drift', '?')}"


def _values(reports: Mapping[str, Report], name: str) -> Mapping[str, str]:
    return reports[name].values if name in reports else {}


def _coloured(text: str, level: int, width: int, colours: bool) -> str:
    text = "".join(character if character.isprintable() else "?" for character in text)[:width]
    return f"{_COLOURS[level]}{text}{_PLAIN}" if colours else text
