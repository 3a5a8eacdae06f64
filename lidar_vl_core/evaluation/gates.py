"""Limits on the figures of a replay, for a fleet's CI: which can be set, and which were missed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.near_names import did_you_mean

_OF_LABELS = {"mean_iou": ("mean_iou",), "accuracy": ("accuracy",)}  # figure -> where it stands in metrics.json
_OF_BOXES = {"mean_ap": ("box_quality", "mean_ap")}
_OF_ALL = {name: ("latency_ms", name.removesuffix("_ms")) for name in ("p50_ms", "p95_ms", "p99_ms")}
_SKIPPED = "skipped_clouds"
_PLAIN = {**_OF_LABELS, **_OF_BOXES, **_OF_ALL, _SKIPPED: ("skipped",)}
FIGURES = (*_PLAIN, "iou.CLASS", "ap.CLASS")


@dataclass(frozen=True)
class Gate:
    """A limit on one figure: shares from 0 to 1, times in milliseconds, clouds as a count."""

    figure: str  # one of FIGURES, with the class in its place
    limit: float
    is_floor: bool  # the figure may not be below it; else not above it

    @property
    def kind(self) -> str:
        """The figure without its class."""
        return self.figure.partition(".")[0]

    @property
    def class_name(self) -> str:
        """The class of `iou.CLASS` and `ap.CLASS`, else empty."""
        return self.figure.partition(".")[2]

    @property
    def takes_labels(self) -> bool:
        """Whether it can be measured only where the true class of the points is known."""
        return self.kind in (*_OF_LABELS, "iou")

    @property
    def takes_boxes(self) -> bool:
        """Whether it can be measured only where the true boxes are known."""
        return self.kind in (*_OF_BOXES, "ap")


def gate_of(text: str, is_floor: bool) -> Gate:
    """Read FIGURE=VALUE, such as `mean_iou=0.6` or `iou.car=0.8`. Raises BadRequest."""
    figure, _, value = (part.strip() for part in text.partition("="))
    kind, dot, class_name = figure.partition(".")
    if not (figure in _PLAIN or (kind in ("iou", "ap") and dot and class_name)):
        raise BadRequest(
            f"limit {text!r}: expected FIGURE=VALUE with one of {', '.join(FIGURES)}, found {figure!r}."
            f"{did_you_mean(figure, _PLAIN)}"
        )
    try:
        limit = float(value)
    except ValueError:
        limit = float("nan")
    highest = float("inf") if kind in (*_OF_ALL, _SKIPPED) else 1.0
    if not 0.0 <= limit <= highest or limit == float("inf"):
        scale = "0 or more" if highest > 1.0 else "a share from 0 to 1, such as 0.6"
        raise BadRequest(f"limit {text!r}: expected {scale}, found {value!r}.")
    return Gate(figure, limit, is_floor)


def require_measurable(gates: Sequence[Gate], classes: ClassTable, has_labels: bool, has_boxes: bool) -> None:
    """Raise BadRequest in advance where a figure cannot be measured: its class is unknown or the truth is not given."""
    for gate in gates:
        if gate.takes_labels and not has_labels:
            raise BadRequest(
                f"limit on {gate.figure}: expected the true class of the points, found none. "
                "Give --label-field and --label-table."
            )
        if gate.takes_boxes and not has_boxes:
            raise BadRequest(f"limit on {gate.figure}: expected true boxes, found none. Give --box-topic.")
        if gate.class_name and gate.class_name not in classes.names:
            raise BadRequest(
                f"limit on {gate.figure}: expected one of {', '.join(classes.names)}, found {gate.class_name!r}."
                f"{did_you_mean(gate.class_name, classes.names)}"
            )


def missed(gates: Sequence[Gate], metrics: Mapping[str, Any]) -> list[str]:
    """A line for each limit that does not hold; a figure that could not be measured does not hold either.

    metrics: as replay() returns them.
    """
    lines = []
    for gate in gates:
        value = _value(gate, metrics)
        side = "at least" if gate.is_floor else "at most"
        if value is None:
            lines.append(f"{gate.figure}: expected {side} {gate.limit:g}, found no data to measure it on")
        elif value < gate.limit if gate.is_floor else value > gate.limit:
            lines.append(f"{gate.figure}: expected {side} {gate.limit:g}, found {value:.4g}")
    return lines


def _value(gate: Gate, metrics: Mapping[str, Any]) -> float | None:
    path: tuple[str, ...]
    if gate.kind == "iou":
        path = ("per_class_iou", gate.class_name)
    elif gate.kind == "ap":
        path = ("box_quality", "classes", gate.class_name, "ap")
    else:
        path = _PLAIN[gate.figure]
    found: Any = metrics
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return len(found) if gate.figure == _SKIPPED else found
