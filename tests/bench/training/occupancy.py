"""What occupancy as a second task costs in a step of pre-training on the CPU, and how far its loss falls on synthetic streets.

Two sweeps of 32 beams with six pictures each, the network and length of features of the recipes. The loss is that of the small network of
configs/pretrain/synthetic_ppkt.yaml, at the last steps of so short a run, beside the entropy of the answers: what knowing nothing but their share costs.
"""

import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from lidar_vl_core.foundation.threads import available_cores
from offline_training.datasets.data_sources import open_source
from offline_training.pretraining.base.cloud_views import measured_points
from offline_training.pretraining.base.config import OccupancyConfig, PretrainConfig
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.base.occupancy import OccupancyTask, QueryPreparer
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs.backbones import build_backbone, preparer_of
from tests.bench.report.table import print_table, row
from tests.bench.training.pretrain_step import settings

_TIMED_STEPS = 6  # the first warms up
_REPEATS = 15
_SMALL = {"network": "minkunet_small", "stem": 16, "planes": [16, 32, 32, 48, 48, 32, 32, 32], "image_size": [80, 144]}
_SMALL |= {"optimizer": "adamw", "learning_rate": 0.012, "weight_decay": 0.01, "schedule": "cosine_per_step"}
_LARGEST_SHARE = 5.0  # percent of a step


def measure(steps: int = 60) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed}; steps: of the run whose loss is told."""
    return [*_cost_rows(), *_loss_rows(steps)]


def _cost_rows() -> list[dict[str, Any]]:
    """What the task does, by itself: beside a whole step its time is less than steps differ."""
    config = _config("unused", {}, {}, 1)
    source = open_source(config.train[0], config.class_table, 1)
    scans = [measured_points(source[number]) for number in range(config.batch_size)]
    plain = preparer_of(config)
    inputs = plain(scans)
    draw_ms = _median_ms(lambda: QueryPreparer(lambda _: inputs, OccupancyConfig())(scans))
    queries = QueryPreparer(plain, OccupancyConfig())(scans).queries
    network = build_backbone(config, None)
    rows = torch.randn(inputs.row_count, network.feature_channels, requires_grad=True)
    task, features = OccupancyTask(network.feature_channels, 1.0), PointFeatures(rows, lambda values: values, True)
    zero = {"loss": torch.zeros(())}
    learn_ms = _median_ms(lambda: queries and task.added(zero, features, queries)["loss"].backward())
    step_ms = 1e3 * statistics.median(line["step_seconds"] for line in _lines({}, None, _TIMED_STEPS)[1:])
    where = f"occupancy, a batch of {config.batch_size}, {available_cores()} cores"
    return [
        row(f"{where}: places drawn, in a loader's process", draw_ms, "ms"),
        row(f"{where}: head, loss and their backward pass", learn_ms, "ms"),
        row(f"{where}: the step of PPKT without it", step_ms, "ms"),
        row(f"{where}: share of that step", 100.0 * (draw_ms + learn_ms) / step_ms, "%", at_most=_LARGEST_SHARE),
    ]


def _median_ms(work: Callable[[], Any]) -> float:
    """Over a few repetitions, after one that warms up."""
    work()
    taken = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken)


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


if __name__ == "__main__":
    print_table(measure(*map(int, sys.argv[1:2])))
