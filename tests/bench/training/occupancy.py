"""What occupancy as a second task costs in a step of pre-training on the CPU, and how far its loss falls on synthetic streets.

Two sweeps of 32 beams with six pictures each; the seconds of a step beside those of the same step without the task. The loss is that of the small network of
configs/pretrain/synthetic_ppkt.yaml, at the last steps of so short a run, beside the entropy of the answers: what knowing nothing but their share costs.
"""

import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.threads import available_cores
from offline_training.datasets.data_sources import open_source
from offline_training.pretraining.base.cloud_views import measured_points
from offline_training.pretraining.base.config import OccupancyConfig, PretrainConfig
from offline_training.pretraining.base.occupancy import QueryPreparer
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.pretrain import pretrain
from offline_training.pretraining.stop_watch import STAGES
from offline_training.runs.backbones import preparer_of
from tests.bench.report.table import print_table, row
from tests.bench.training.pretrain_step import settings

_TIMED_STEPS = 6  # the first warms up
_SMALL = {"network": "minkunet_small", "stem": 16, "planes": [16, 32, 32, 48, 48, 32, 32, 32], "image_size": [80, 144]}
_SMALL |= {"optimizer": "adamw", "learning_rate": 0.012, "weight_decay": 0.01, "schedule": "cosine_per_step"}
_LARGEST_SHARE = 10.0  # percent of a step


def measure(steps: int = 60) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed}; steps: of the run whose loss is told."""
    return [*_cost_rows(), *_loss_rows(steps)]


def _cost_rows() -> list[dict[str, Any]]:
    without, with_it = (_median_seconds(_lines({}, occupancy, _TIMED_STEPS)[1:]) for occupancy in (None, {}))
    where = f"pre-training step, {available_cores()} cores"
    more = {name: with_it[name] - without[name] for name in with_it}
    share = 100.0 * more["step_seconds"] / without["step_seconds"]
    stages = [row(f"{where}: {stage}, more with occupancy", more[f"seconds/{stage}"], "s") for stage in STAGES]
    return [
        row(f"{where}, without occupancy", without["step_seconds"], "s"),
        *stages,
        row(f"{where}: occupancy, share of the step without it", share, "%", at_most=_LARGEST_SHARE),
    ]


def _loss_rows(steps: int) -> list[dict[str, Any]]:
    lines, share = _lines(_SMALL, {}, steps), _occupied_share()
    entropy = -share * math.log(share) - (1.0 - share) * math.log(1.0 - share)
    last = statistics.mean(line["occupancy"] for line in lines[-10:])
    return [
        row("occupancy: places that are occupied, of those judged", 100.0 * share, "%"),
        row("occupancy: cross-entropy of that share alone", entropy, "nat"),
        row("occupancy: cross-entropy at the first step", lines[0]["occupancy"], "nat"),
        row(f"occupancy: mean cross-entropy of the last 10 of {steps} steps", last, "nat", at_most=entropy),
    ]


def _occupied_share() -> float:
    """Of the judged places of the sweeps that the runs see."""
    config = _config("unused", _SMALL, {}, 1)
    source = open_source(config.train[0], config.class_table, 1)
    scans = [measured_points(source[number]) for number in range(len(source))]
    queries = QueryPreparer(preparer_of(config), OccupancyConfig())(scans).queries
    return float("nan") if queries is None else float(queries.is_occupied.float().mean())


def _lines(changes: Mapping[str, Any], occupancy: dict[str, Any] | None, steps: int) -> list[dict[str, Any]]:
    """The log of a run."""
    with tempfile.TemporaryDirectory() as out:
        pretrain(_config(out, changes, occupancy, steps))
        return [json.loads(text) for text in (Path(out) / "metrics.jsonl").read_text().splitlines()]


def _config(out: str, changes: Mapping[str, Any], occupancy: dict[str, Any] | None, steps: int) -> PretrainConfig:
    content = {**settings(out, "espnet", steps), "method": "ppkt", "occupancy": occupancy, **changes}
    of_olivine = ("labels", "vmf_freeze_step")
    return pretrain_config_of({key: value for key, value in content.items() if key not in of_olivine}, "benchmark")


def _median_seconds(lines: list[dict[str, Any]]) -> dict[str, float]:
    names = [*(f"seconds/{stage}" for stage in STAGES), "step_seconds"]
    return {name: statistics.median(line[name] for line in lines) for name in names}


if __name__ == "__main__":
    print_table(measure(*map(int, sys.argv[1:2])))
