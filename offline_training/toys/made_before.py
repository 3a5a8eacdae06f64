"""Whether a toy model was already made with the same configuration, which its report, written last, contains."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def was_made(report: Path, files: Iterable[Path], asked: dict[str, Any]) -> bool:
    """Whether the files exist and the report, JSON with a `config`, matches; a damaged report does not count."""
    if not all(path.is_file() for path in (report, *files)):
        return False
    try:
        found = json.loads(report.read_bytes())
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("config") == asked
