"""The cost of a pre-training: hours and memory, from its log. Reads files."""

import json
from dataclasses import dataclass
from pathlib import Path

from lidar_vl_core.foundation.errors import BadCheckpoint


@dataclass(frozen=True)
class Cost:
    """Hours and memory of one pre-training, per process."""

    hours: float  # of its steps, without making labels
    memory_gb: float  # peak over all steps: of the CUDA device if there is one, else of the process


def pretraining_cost(folder: Path) -> Cost:
    """The cost in a run's metrics.jsonl. Raises BadCheckpoint if there is none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise BadCheckpoint(f"{path}: expected the log of a pre-training, found none. Run the pre-training first.")
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    steps = [line for line in lines if "step_seconds" in line]
    if not steps:
        raise BadCheckpoint(f"{path}: expected steps with their duration, found none. Run the pre-training again.")
    return Cost(sum(line["step_seconds"] for line in steps) / 3600.0, max(line["memory_gb"] for line in steps))
