"""The plan of a study of 3DSS-VLG. Looks into the study's folder, opens no data."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from offline_training.reproduction.base.checkpoint_room import checkpoint_bytes, disk_lines
from offline_training.reproduction.base.data_needed import data_needed
from offline_training.reproduction.base.planned import NOT_MEASURED, Plan, PlannedStage
from offline_training.reproduction.base.runner import measured_cells
from offline_training.reproduction.base.study import recipe_with
from offline_training.reproduction.language.language_runs import LanguageRuns, toy_language_config
from offline_training.reproduction.language.language_stages import is_claimed, stage_files
from offline_training.reproduction.language.language_study import LanguageRow
from offline_training.toys.toy_config import is_toy_made

Rows = tuple[LanguageRow, ...]
Files = dict[Path, tuple[LanguageRow, int]]  # files that finished runs of a stage leave, with row and seed
_STAGES = ("pseudo_label", "specialise", "guide")


def language_plan(runs: LanguageRuns, rows: Rows) -> Plan:
    """The plan of these rows; a run that several rows evaluate is counted once."""
    asked = tuple(row for row in rows if runs.study.columns_of(row))
    return Plan(
        tuple(_stages(runs, asked)),
        data_needed(_configurations(runs, asked)),
        lambda: tuple(_disk(runs, asked)),
        (
            "image features, specialised features and pseudo labels: depends on the number of points; see the size of "
            "the first scenes in statistics.json beside the features",
        ),
        lambda: tuple(_cost(runs, asked)),
    )


def _stages(runs: LanguageRuns, rows: Rows) -> Iterator[PlannedStage]:
    toy = toy_language_config(runs.study, runs.place)
    if toy is not None:
        yield PlannedStage("toy language model", 1, lambda: int(is_toy_made(toy)))
    if rows:
        yield PlannedStage("image features", len(runs.feature_configs(rows)), None)
    for name, files in _files(runs, rows).items():
        yield PlannedStage(name.replace("_", "-"), len(files), partial(_count_finished, runs, files))
    cells = sum(len(runs.study.columns_of(row)) for row in rows) * len(runs.study.seeds)
    yield PlannedStage("number in the table", cells, lambda: len(measured_cells(runs, rows)), is_training=False)


def _files(runs: LanguageRuns, rows: Rows) -> dict[str, Files]:
    """The files of each run by stage, in order, once for each run."""
    found: dict[str, Files] = {name: {} for name in _STAGES}
    for row in rows:
        for seed in runs.study.seeds:
            for name, file in stage_files(runs.config(row, seed), row).items():
                found[name][file] = row, seed
    return {name: files for name, files in found.items() if files}


def _finished(runs: LanguageRuns, files: Files) -> list[Path]:
    there = ((file, of) for file, of in files.items() if file.is_file())
    return [file for file, of in there if is_claimed(file.parent, runs.run_key(*of))]


def _count_finished(runs: LanguageRuns, files: Files) -> int:
    return len(_finished(runs, files))


def _configurations(runs: LanguageRuns, rows: Rows) -> Iterator[Any]:
    study = runs.study
    for row in rows:
        yield study.settings(row)
        yield from (list(column.test or ()) for column in study.columns_of(row))
    if study.toy_language is not None:
        yield recipe_with(study.toy_language)


def _disk(runs: LanguageRuns, rows: Rows) -> Iterator[str]:
    guided = {}
    for row in rows:
        for seed in runs.study.seeds:
            config = runs.config(row, seed)
            if "guide" in stage_files(config, row):
                guided[config.out] = [(config.network, checkpoint_bytes(config, "adam"))] * (
                    1 + config.self_training.rounds
                )
    yield from disk_lines("guide", [each for of_run in guided.values() for each in of_run])


def _cost(runs: LanguageRuns, rows: Rows) -> Iterator[str]:
    for name, files in _files(runs, rows).items():
        seconds = [json.loads(file.read_text())["seconds"] for file in _finished(runs, files)]
        told = name.replace("_", "-")
        if not seconds:
            yield f"{told}: {NOT_MEASURED}"
            continue
        left = len(files) - len(seconds)
        more = f"; {left} left: {left * mean(seconds) / 3600:.2f} h" if left else ""
        yield f"{told}: {mean(seconds) / 3600:.3f} h (measured, n={len(seconds)}){more}"
    yield "GPU memory: unknown, these stages do not measure it"
