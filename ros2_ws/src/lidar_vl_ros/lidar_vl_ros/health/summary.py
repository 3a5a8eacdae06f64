"""The latched summary of a node: all of its diagnostics as one JSON text, for late subscribers too. No ROS here."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lidar_vl_core.foundation.errors import BadRequest, shortened
from lidar_vl_ros.health.health import ERROR, OK, WARN, Report

SUMMARY_TOPIC = "~/summary"
LEVELS = {OK: "OK", WARN: "WARN", ERROR: "ERROR"}


@dataclass(frozen=True)
class Summary:
    """The last summary of a node."""

    node: str  # fully qualified name
    reports: Mapping[str, Report]  # by name: input, transport, processing, ...

    @property
    def level(self) -> int:
        """The worst level of all reports."""
        return max((report.level for report in self.reports.values()), default=OK)


def summary_text(node: str, reports: Mapping[str, Report]) -> str:
    """JSON: `node`, the worst `level` in words, and `status` with level, message and values of each report by name."""
    status = {name: {**asdict(report), "level": LEVELS[report.level]} for name, report in reports.items()}
    return json.dumps({"node": node, "level": LEVELS[Summary(node, reports).level], "status": status})


def read_summary(text: str) -> Summary:
    """Parse a summary. Raises BadRequest for any other text."""
    levels = {word: level for level, word in LEVELS.items()}
    try:
        found: Any = json.loads(text)
        reports = {
            str(name): Report(
                levels[each["level"]], str(each["message"]), {str(k): str(v) for k, v in each["values"].items()}
            )
            for name, each in found["status"].items()
        }
        return Summary(str(found["node"]), reports)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(
            f"summary: expected the JSON text that a node publishes, found {shortened(text)!r}. Is the node of another version?"
        ) from error
