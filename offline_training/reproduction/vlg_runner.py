"""Runs a study of 3DSS-VLG: the toy model, the image features of all rows, then its cells, several runs at a time. Touches the disk."""

import os
from collections.abc import Iterator
from pathlib import Path

from lidar_vl_core.foundation.config import load_yaml, validated
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.data_sources import data_source
from offline_training.reproduction.cell import Cell, slug
from offline_training.reproduction.jobs import run_in_jobs
from offline_training.reproduction.study import CONFIGS
from offline_training.reproduction.table import write_table
from offline_training.reproduction.vlg_cell import LanguagePlace, read_cell, run_config, run_rows
from offline_training.reproduction.vlg_study import LanguageRow, LanguageStudyConfig
from offline_training.reproduction.vlg_unnamed import write_words_without
from offline_training.words.settings.vlg_config import VlgConfig


def reproduce_language(
    study: LanguageStudyConfig, out: Path, data: Path | None, row_names: tuple[str, ...] = (), jobs: int = 1
) -> list[Cell]:
    """Fill a study's table with our numbers; `out` gets table.md, plot.png and the configuration of every run.

    jobs: runs at a time, which share the processor. Raises BadDataset, BadConfig, BadRequest with what is missing.
    """
    if jobs < 1:
        raise BadRequest(f"jobs: expected at least 1, found {jobs}. Give a number of runs at a time.")
    asked = {study.row(name).name for name in row_names}
    rows = tuple(row for row in study.rows if not asked or row.name in asked)
    place = LanguagePlace(out, data_root(study, data), max((os.cpu_count() or 1) // jobs, 1))
    _write_configs(study, rows, place)
    _prepare(study, rows, place)
    tasks = [(study, names, seed, place) for seed in study.seeds for names in _sharing_a_run(rows)]
    for _ in run_in_jobs(study.title, run_rows, tasks, jobs):
        write_table(study, rows, measured_cells(study, rows, place), out)
    cells = measured_cells(study, rows, place)
    write_table(study, rows, cells, out)
    return cells


def measured_cells(study: LanguageStudyConfig, rows: tuple[LanguageRow, ...], place: LanguagePlace) -> list[Cell]:
    """The cells that are done so far."""
    found = [
        read_cell(study, row, column, seed, place)
        for row in rows
        for column in study.columns_of(row)
        for seed in study.seeds
    ]
    return [cell for cell in found if cell is not None]


def data_root(study: LanguageStudyConfig, data: Path | None) -> str:
    """The folder that stands for {data}. Raises BadRequest where the study needs one and none is given."""
    texts = [study.model_dump_json(), *(str(study.settings(row)) for row in study.rows)]
    if data is None and any("{data}" in text for text in texts):
        raise BadRequest(
            "reproduce: expected --data ROOT, the folder that holds this table's data sets and image features, found "
            "none. `lidar-vl-train check-data KIND FOLDER` draws how each must lie there."
        )
    return "" if data is None else str(data)


def _sharing_a_run(rows: tuple[LanguageRow, ...]) -> list[tuple[str, ...]]:
    """Names of rows, those of one run together: they are one task, so that no run is made twice at a time."""
    runs: dict[str, list[str]] = {}
    for row in rows:
        if row.quoted:
            continue
        runs.setdefault(row.like or row.name, []).append(row.name)
    return [tuple(names) for names in runs.values()]


def _prepare(study: LanguageStudyConfig, rows: tuple[LanguageRow, ...], place: LanguagePlace) -> None:
    """The toy model and the features of all pictures, which rows and seeds share."""
    if study.toy_language is not None:
        from offline_training.toys.toy_language import ToyLanguageConfig, train_toy_language

        settings = {**place.filled(load_yaml(CONFIGS / study.toy_language), 0), "out": str(place.out / "toy_language")}
        train_toy_language(validated(ToyLanguageConfig, settings, "reproduce, toy language model"))
    for row in rows:
        if row.unnamed:
            named = row.model_copy(update={"unnamed": ()})
            write_words_without(run_config(study, named, 0, place), row.unnamed, place.words_folder(row))
    done = set()
    for config in _read_by(study, rows, place):
        key = config.model_dump_json(include={"train", "validation", "classes", "model", "extract"})
        if key not in done:
            _extract(config)
            done.add(key)


def _extract(config: VlgConfig) -> None:
    from offline_training.words.features.extract_features import extract_features

    extract_features(config)


def _read_by(study: LanguageStudyConfig, rows: tuple[LanguageRow, ...], place: LanguagePlace) -> Iterator[VlgConfig]:
    """The configurations whose scenes need image features: training scenes of all rows, test scenes where 2D answers."""
    cores = os.cpu_count() or 1
    for row in rows:
        if row.quoted:
            continue
        config = run_config(study, row, study.seeds[0], place).model_copy(update={"threads": cores})
        yield config if row.mode != "3d" else config.model_copy(update={"validation": ()})
        for column in study.columns_of(row):
            if column.test is not None and row.mode != "3d":
                tests = [data_source(one, "reproduce, test") for one in place.filled(list(column.test), 0)]
                changes = {"train": (), "validation": tuple(tests), "classes": column.classes or config.classes}
                yield config.model_copy(update=changes)


def _write_configs(study: LanguageStudyConfig, rows: tuple[LanguageRow, ...], place: LanguagePlace) -> None:
    """Every run as YAML, so that its stages can be repeated one by one with their commands."""
    import yaml

    for row in rows:
        for seed in () if row.quoted else study.seeds:
            config = run_config(study, row, seed, place).model_dump(mode="json")
            file = place.out / "configs" / slug(row.like or row.name) / f"seed{seed}.yaml"
            write_text(file, yaml.safe_dump(config, sort_keys=False))
