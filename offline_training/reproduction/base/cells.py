"""The measured numbers of a study and their files; each is stored with the hash of what produced it.

Touches the disk.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from lidar_vl_core.foundation.files import read_json, write_text
from offline_training.reproduction.base.bootstrap import SceneCounts
from offline_training.reproduction.base.study import filled


class Measured(NamedTuple):
    """A measured number and its parts."""

    value: float
    per_class_iou: dict[str, float | None]  # if it is a mean over classes
    scenes: SceneCounts | None = None  # if it is the mean IoU of pooled scenes


@dataclass(frozen=True)
class Cell:
    """A measured number of a table: row, column, seed, value."""

    row: str
    column: str
    seed: int
    value: float  # percent, hours, minutes or GB
    per_class_iou: dict[str, float | None]
    configs_sha256: str  # of everything that determines the number
    scenes: SceneCounts = field(default_factory=dict)  # what a bootstrap resamples, if available


_KEYS = {one.name for one in fields(Cell)}


@dataclass(frozen=True)
class Place:
    """The folders of a study and of its data."""

    out: Path
    data: str
    threads: int  # of each run

    def folder(self, owner: str, seed: int) -> Path:
        """Folder of the runs of one row and seed, shared by rows that are like it."""
        return self.out / "runs" / slug(owner) / f"seed{seed}"

    def filled(self, value: Any, seed: int) -> Any:  # noqa: ANN401  any JSON value
        """A configuration with its placeholders filled in."""
        return filled(value, {"data": self.data, "out": str(self.out), "seed": str(seed)})


def read_cell(path: Path, row: str, configs_sha256: str) -> Cell | None:
    """A cell from its file, under the name of its row; None unless the file is intact and belongs to these configurations."""
    stored = _stored(path)
    if set(stored) | {"scenes"} != _KEYS or stored["configs_sha256"] != configs_sha256:
        return None
    return Cell(**{**stored, "row": row})


def write_cell(path: Path, cell: Cell) -> None:
    """Write a cell to its file."""
    write_text(path, json.dumps(asdict(cell), indent=1))


def kept(path: Path, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A measurement shared by several cells: from its file if stored under this key, else made and written there."""
    stored = _stored(path)
    if stored.get("key") != key:
        stored = {"key": key, "found": measure()}
        write_text(path, json.dumps(stored, indent=1))
    return stored["found"]


def sha256_of_values(value: object) -> str:
    """Hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def slug(name: str) -> str:
    """A name in a form that is valid in a path."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _stored(path: Path) -> dict[str, Any]:
    """A JSON mapping; empty if the file does not exist yet or is damaged."""
    try:
        stored = read_json(path)
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
