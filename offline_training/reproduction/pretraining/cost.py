"""What a pre-training cost: hours and memory, from its log. Reads files."""

import json
from dataclasses import dataclass
from pathlib import Path

from lidar_vl_core.foundation.errors import BadCheckpoint


@dataclass(frozen=True)
class Cost:
    """Of one pre-training, per process."""

    hours: float  # of its steps, without the preparation of labels
    memory_gb: float  # largest at any step: of the CUDA device where there is one, else of the process


def pretraining_cost(folder: Path) -> Cost:
    """Sum up a run's metrics.jsonl. Raises BadCheckpoint where there is none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise BadCheckpoint(f"{path}: expected the log of a pre-training, found none. Run the pre-training first.")
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    steps = [line for line in lines if "step_seconds" in line]
    if not steps:
        raise BadCheckpoint(f"{path}: expected steps with their duration, found none. Run the pre-training again.")
    return Cost(sum(line["step_seconds"] for line in steps) / 3600.0, max(line["memory_gb"] for line in steps))
