"""What `lidar-vl top` shows: the summaries of all nodes as lines of a terminal. No ROS here."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from lidar_vl_ros.health.health import ERROR, OK, WARN, Report
from lidar_vl_ros.health.summary import LEVELS, Summary

_STALE_S = 3.0  # a node publishes its summary every second
_COLOURS = {OK: "\x1b[32m", WARN: "\x1b[33m", ERROR: "\x1b[31m"}
_PLAIN = "\x1b[0m"
_MOST_CLASSES = 5
_SHARE = "share "  # how the classes stand among the figures of answers
_BESIDE = " " * 22  # where the words of a part begin, right of its level and name
_LEAST_WIDTH = 40  # below it lines are cut, not wrapped


def top_text(heard: Iterable[tuple[Summary, float]], width: int, colours: bool) -> str:
    """The summaries as lines of at most `width` characters. heard: each node's last summary, and its age in seconds."""
    blocks = [_block(summary, ago_s, width, colours) for summary, ago_s in sorted(heard, key=lambda each: each[0].node)]
    if not blocks:
        return "no node of lidar_vl_ros found: is one running, with the same ROS_DOMAIN_ID?\n"
    return "\n".join(line for block in blocks for line in (*block, ""))


def _block(summary: Summary, ago_s: float, width: int, colours: bool) -> list[str]:
    paint = _COLOURS if colours else {}
    if ago_s > _STALE_S:
        return _coloured(_wrapped(f"{summary.node}: silent for {ago_s:.0f} s", "  ", width), paint.get(ERROR))
    lines = _coloured(_wrapped(f"{summary.node}  {_headline(summary.reports)}", "  ", width), paint.get(summary.level))
    for name, report in summary.reports.items():
        words = _wrapped(f"  {LEVELS[report.level]:<5} {name:<13} {report.message}", _BESIDE, width)
        lines += _coloured(words, paint.get(report.level))
        lines += [line for told in _answers(report.values) for line in _wrapped(f"{_BESIDE}{told}", _BESIDE, width)]
    return lines


def _headline(reports: Mapping[str, Report]) -> str:
    """State, clouds per second in and out, times and memory; what is unknown is left out."""
    processing, taken = _values(reports, "processing"), _values(reports, "input")
    parts = [
        (processing.get("state"), "{}"),
        (taken.get("received_per_s"), "{} clouds/s in"),
        (processing.get("served_per_s"), "{} out"),
        (processing.get("processing_ms_p50"), "{} ms each"),
        (processing.get("latency_ms_p95"), "latency p95 {} ms"),
        (_values(reports, "memory").get("rss_mb"), "{} MB"),
    ]
    return ", ".join(form.format(value) for value, form in parts if value is not None)


def _answers(values: Mapping[str, str]) -> Iterator[str]:
    """The most frequent classes of a model's answers and whether they drift; nothing for other figures."""
    shares = [(name.removeprefix(_SHARE), value) for name, value in values.items() if name.startswith(_SHARE)]
    if shares:
        yield ", ".join(f"{name} {_percent(value)}" for name, value in shares[:_MOST_CLASSES])
        probability, others = values.get("confidence_drift", "?"), _percent(values.get("histogram_drift", "?"))
        yield f"against the last five minutes: mean probability {probability}, {others} in other classes"


def _percent(share: str) -> str:
    try:
        return f"{100 * float(share):.0f} %"
    except ValueError:  # of another version
        return share


def _values(reports: Mapping[str, Report], name: str) -> Mapping[str, str]:
    return reports[name].values if name in reports else {}


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    """Wrapped at words and never wider; control characters of a node's words do not reach the terminal."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    lines = textwrap.wrap(text, max(width, _LEAST_WIDTH), subsequent_indent=indent)
    return [line[:width] for line in lines]


def _coloured(lines: list[str], colour: str | None) -> list[str]:
    return lines if colour is None else [f"{colour}{line}{_PLAIN}" for line in lines]
