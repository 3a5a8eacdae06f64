"""Whether a toy model was made before with the same configuration: its report, written last, says what was asked."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def was_made(report: Path, files: Iterable[Path], asked: dict[str, Any]) -> bool:
    """Whether the files are there and the report, JSON with a `config`, is of what is asked; a damaged report is none."""
    if not all(path.is_file() for path in (report, *files)):
        return False
    try:
        found = json.loads(report.read_bytes())
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("config") == asked
