"""One optimisation step of pre-training on the CPU by stage: small backbone, two sweeps with six pictures of 224 x 416 each.

With the published teacher, whose weights are random here (its time does not depend on them), and with the CPU's own.
"""

import json
import statistics
import tempfile
from pathlib import Path

from lidar_vl_core.foundation.threads import available_cores
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.pretrain import pretrain
from offline_training.pretraining.stop_watch import STAGES
from tests.bench.report.table import print_table, row

_CACHE = Path("out/cache/bench_pretrain")
_STEPS = {"resnet50_dilated": 3, "espnet": 6}  # by teacher; the first of them warms up
_LARGEST_SHARE = 10.0  # percent of a step, of sampling and losses


def measure() -> list[dict]:
    """Rows {name, value, unit, target, passed}: seconds of each stage, and the share of sampling, heads and losses."""
    rows = []
    for teacher, steps in _STEPS.items():
        seconds = _median_seconds(teacher, steps)
        where = f"pre-training step, {teacher}, {available_cores()} cores"
        rows += [row(f"{where}: {stage}", seconds[f"seconds/{stage}"], "s") for stage in STAGES]
        share = 100.0 * seconds["seconds/sampling_and_loss"] / seconds["step_seconds"]
        rows.append(row(f"{where}: sampling, heads and losses", share, "%", at_most=_LARGEST_SHARE))
    return rows


def _median_seconds(teacher: str, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        pretrain(pretrain_config_of(settings(out, teacher, steps), "benchmark"))
        lines = [json.loads(text) for text in (Path(out) / "metrics.jsonl").read_text().splitlines()][1:]
    names = [*(f"seconds/{stage}" for stage in STAGES), "step_seconds"]
    return {name: statistics.median(line[name] for line in lines) for name in names}


def settings(out: str, teacher: str, steps: int) -> dict:
    streets = {"kind": "synthetic", "folder": str(_CACHE), "first_seed": 4000, "streets": 1, "frames_per_street": 2}
    return {
        "out": out,
        "train": [{**streets, "lidar": "hdl32", "image_width": 480}],
        "labels": "truth",
        "teacher": teacher,
        "allow_random_weights": True,
        "vmf_freeze_step": 0,
        "max_steps": steps,
        "batch_size": 2,
        "workers": 0,
        "device": "cpu",
        "progress": False,
        "checkpoint_every": 1000,
    }


if __name__ == "__main__":
    print_table(measure())
