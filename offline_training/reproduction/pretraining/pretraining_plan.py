"""The plan of a study of pre-training. Looks into the study's folder, opens no data."""

from collections.abc import Iterator
from functools import partial
from statistics import mean
from typing import Any

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.tasks import finetune_config_of
from offline_training.reproduction.base.cells import Place
from offline_training.reproduction.base.checkpoint_room import checkpoint_bytes, disk_lines
from offline_training.reproduction.base.data_needed import ROOT, data_needed
from offline_training.reproduction.base.planned import NOT_MEASURED, Plan, PlannedStage
from offline_training.reproduction.base.runner import is_done, measured_cells
from offline_training.reproduction.pretraining.cost import Cost
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns, toy_teacher_config
from offline_training.reproduction.pretraining.pretraining_study import PretrainingColumn, PretrainingRow
from offline_training.toys.toy_teacher_config import is_teacher_made

Rows = tuple[PretrainingRow, ...]


def pretraining_plan(runs: PretrainingRuns, rows: Rows) -> Plan:
    """The plan of these rows; runs shared by several rows are counted once."""
    owners = tuple({runs.study.owner(row).name: runs.study.owner(row) for row in rows}.values())
    unknown = [
        *(
            ["weak labels and superpixels: depends on the number and size of the images"]
            if runs.study.weak_labels
            else []
        ),
        "generated sweeps (synthetic data) and caches of pairs: depends on the number of points",
    ]
    return Plan(
        tuple(_stages(runs, rows, owners)),
        data_needed(_configurations(runs, owners)),
        lambda: tuple(_disk(runs, owners)),
        tuple(unknown),
        lambda: tuple(_cost(runs, owners)),
    )


def _stages(runs: PretrainingRuns, rows: Rows, owners: Rows) -> Iterator[PlannedStage]:
    study, seeds = runs.study, runs.study.seeds
    teacher = toy_teacher_config(study, runs.place)
    if teacher is not None:
        yield PlannedStage("toy teacher", 1, lambda: int(is_teacher_made(teacher)))
    if study.weak_labels:
        yield PlannedStage("weak labels", len(study.weak_labels), None)
    trained = [row for row in owners if row.recipe is not None]
    if trained:
        yield PlannedStage(
            "pre-training",
            len(trained) * len(seeds),
            lambda: sum(runs.is_pretrained(row, seed) for row in trained for seed in seeds),
        )
    for name, columns in _tunings(runs).items():
        yield PlannedStage(name, len(owners) * len(columns) * len(seeds), partial(_tuned, runs, owners, columns))
    cells = sum(len(study.columns_of(row)) for row in rows) * len(seeds)
    yield PlannedStage("number in the table", cells, lambda: len(measured_cells(runs, rows)), is_training=False)


def _tunings(runs: PretrainingRuns) -> dict[str, list[PretrainingColumn]]:
    """The columns with a fine-tuning of their own, by its kind."""
    found: dict[str, list[PretrainingColumn]] = {}
    for column in runs.study.columns:
        settings = runs.finetuning(runs.study.rows[0], column, 0) if column.recipe is not None else None
        if settings is not None:
            found.setdefault("linear probe" if settings.get("probe") else "fine-tuning", []).append(column)
    return found


def _tuned(runs: PretrainingRuns, owners: Rows, columns: list[PretrainingColumn]) -> int:
    """Fine-tunings with a measurement: only these are known to be finished."""
    measured_on = {
        column.name: [one for one in runs.study.columns if runs.study.tuning(one) == column] for column in columns
    }
    return sum(
        any(is_done(runs, row, one, seed) for one in measured_on[column.name])
        for row in owners
        for column in columns
        for seed in runs.study.seeds
    )


def _configurations(runs: PretrainingRuns, owners: Rows) -> Iterator[Any]:
    """Configurations of all runs of the first seed, with {data} unfilled, and the study's other inputs."""
    study, seed = runs.study, runs.study.seeds[0]
    there = PretrainingRuns(study, Place(runs.place.out, ROOT, 1))
    for row in owners:
        yield there.pretraining(row, seed)
        yield from (there.finetuning(row, column, seed) for column in study.columns)
    yield from (list(column.test or study.test) for column in study.columns if study.tuning(column).recipe is not None)
    yield [study.toy_teacher, study.weak_labels, {"nuscenes_c": study.nuscenes_c}]


def _disk(runs: PretrainingRuns, owners: Rows) -> Iterator[str]:
    from offline_training.pretraining.config import pretrain_config_of

    study, seed = runs.study, runs.study.seeds[0]
    found: dict[str, list[tuple[str, int | None]]] = {"pre-training": []}
    for row in owners:
        settings = runs.pretraining(row, seed)
        if settings is not None:
            config = pretrain_config_of(settings, f"reproduce, {row.name}")
            found["pre-training"].append((config.network, checkpoint_bytes(config, config.optimizer)))
        for name, columns in _tunings(runs).items():
            for column in columns:
                tuning = finetune_config_of(runs.finetuning(row, column, seed) or {}, f"reproduce, {row.name}")
                size = None
                if isinstance(tuning, FinetuneConfig):
                    size = checkpoint_bytes(tuning, tuning.optimizer, tuning.ema_decay > 0, tuning.probe)
                found.setdefault(name, []).append((tuning.network, size))
    for name, each in found.items():
        yield from disk_lines(name, each * len(study.seeds))


def _cost(runs: PretrainingRuns, owners: Rows) -> Iterator[str]:
    """Hours and memory of each row's pre-training, from the logs of its finished seeds."""
    for row in owners:
        if row.recipe is None:
            continue
        costs = [cost for seed in runs.study.seeds if (cost := _measured(runs, row, seed)) is not None]
        if not costs:
            yield f"pre-training {row.name}: {NOT_MEASURED}"
            continue
        hours, memory_gb, left = mean(cost.hours for cost in costs), max(cost.memory_gb for cost in costs), 0
        left = len(runs.study.seeds) - len(costs)
        told = f"; {left} left: {left * hours:.2f} h" if left else ""
        yield f"pre-training {row.name}: {hours:.2f} h, {memory_gb:.1f} GB (measured, n={len(costs)}){told}"
    yield "fine-tuning and probe: unknown, their logs contain no durations"


def _measured(runs: PretrainingRuns, row: PretrainingRow, seed: int) -> Cost | None:
    if not runs.is_pretrained(row, seed):
        return None
    try:
        return runs.cost(row, seed)
    except BadCheckpoint:
        return None
