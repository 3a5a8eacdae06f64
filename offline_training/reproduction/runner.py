"""Runs a study: what it needs first, then its cells, several at a time; stopped and started again it goes on. Touches the disk."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text
from offline_training.reproduction.cell import Cell, Place, finetune_config, pretrain_config, read_cell, run_row
from offline_training.reproduction.jobs import run_in_jobs
from offline_training.reproduction.study import Row, StudyConfig, chosen_rows
from offline_training.reproduction.table import write_table


def reproduce(
    study: StudyConfig, out: Path, data: Path | None, row_names: tuple[str, ...] = (), jobs: int = 1
) -> list[Cell]:
    """Fill a study's table with our numbers; `out` gets table.md, plot.png and the configuration of every run.

    jobs: runs at a time, which share the processor. Raises BadDataset, BadConfig, BadRequest with what is missing.
    """
    if jobs < 1:
        raise BadRequest(f"jobs: expected at least 1, found {jobs}. Give a number of runs at a time.")
    rows = chosen_rows(study, row_names)
    place = Place(out, _data_root(study, data), max((os.cpu_count() or 1) // jobs, 1))
    _write_configs(study, rows, place)
    _prepare(study, place)
    for _ in _finished_rows(study, rows, place, jobs):
        write_table(study, rows, measured_cells(study, rows, place), out)
    cells = measured_cells(study, rows, place)
    write_table(study, rows, cells, out)
    return cells


def measured_cells(study: StudyConfig, rows: tuple[Row, ...], place: Place) -> list[Cell]:
    """The cells that are done so far."""
    found = [
        read_cell(study, row, column, seed, place) for row in rows for column in study.columns for seed in study.seeds
    ]
    return [cell for cell in found if cell is not None]


def _data_root(study: StudyConfig, data: Path | None) -> str:
    if "{data}" in study.model_dump_json() and data is None:
        raise BadRequest(
            "reproduce: expected --data ROOT, the folder that holds the data sets of this table, found none. "
            "`lidar-vl-train check-data KIND FOLDER` draws how each must lie there."
        )
    return "" if data is None else str(data)


def _prepare(study: StudyConfig, place: Place) -> None:
    """The toy teacher and the weak labels, where the study has its own."""
    cores = os.cpu_count() or 1
    if study.toy_teacher is not None:
        from offline_training.toys.toy_teacher import ToyTeacherConfig, train_toy_teacher

        settings = {**place.filled(study.toy_teacher, 0), "out": str(place.out / "toy_teacher"), "threads": cores}
        train_toy_teacher(validated(ToyTeacherConfig, settings, "reproduce, toy teacher"))
    for labels in study.weak_labels:
        from offline_training.weak_labels.config import WeakLabelConfig
        from offline_training.weak_labels.weak_label import weak_label

        weak_label(validated(WeakLabelConfig, place.filled(labels, 0), "reproduce, weak labels"))


def _finished_rows(study: StudyConfig, rows: tuple[Row, ...], place: Place, jobs: int) -> Iterator[None]:
    """Run every row and seed, seed by seed; rows that are like another have nothing to run."""
    own = [row if row.like is None else study.row(row.like) for row in rows]
    names = dict.fromkeys(row.name for row in own)
    tasks = [(study, study.row(name), seed, place) for seed in study.seeds for name in names]
    return run_in_jobs(study.title, run_row, tasks, jobs)


def _write_configs(study: StudyConfig, rows: tuple[Row, ...], place: Place) -> None:
    """Every configuration as YAML, so that a single run can be repeated with `pretrain` and `finetune`."""
    import yaml

    for row in rows:
        if row.like is not None:
            continue
        for seed in study.seeds:
            folder = place.folder(row, seed)
            settings: dict[str, dict[str, Any] | None] = {"pretrain": pretrain_config(study, row, seed, place)}
            for column in study.columns:
                one = finetune_config(study, row, column, seed, place)
                if one is not None:
                    settings[Path(one["out"]).name] = one
            for name, config in settings.items():
                if config is not None:
                    write_text(folder / f"{name}.yaml", yaml.safe_dump(config, sort_keys=False))
