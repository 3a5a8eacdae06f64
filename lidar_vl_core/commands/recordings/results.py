"""The results of a run: metrics and report. Writes files."""

import json
from pathlib import Path
from typing import Any

from lidar_vl_core.evaluation.evaluation import Evaluation
from lidar_vl_core.foundation.files import write_text


def write_results(folder: Path, title: str, metrics: dict[str, Any], evaluation: Evaluation, card: str) -> None:
    """Write report.html, and metrics.json last: where it stands, all of the result does."""
    from lidar_vl_core.commands.report_page.report import report  # here, as it draws with everything there is

    write_text(
        folder / "report.html",
        report(
            title, metrics, evaluation.shown(), evaluation.viewed(), evaluation.classes, card, evaluation.box_classes
        ),
    )
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
