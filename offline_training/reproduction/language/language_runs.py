"""The runs of a study of 3DSS-VLG: image features, then the training a row needs, then the evaluation.

Touches the disk.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.foundation.threads import machine_cores
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.datasets.data_sources import DataSource, data_source
from offline_training.reproduction.base.cells import Cell, Measured, Place, kept, sha256_of_values, slug
from offline_training.reproduction.base.study import filled, recipe_with
from offline_training.reproduction.base.table import write_table
from offline_training.reproduction.language.bound import require_bound
from offline_training.reproduction.language.language_stages import stage_files, trained
from offline_training.reproduction.language.language_study import (
    OF_ONE_CLASS,
    LanguageColumn,
    LanguageRow,
    LanguageStudy,
    Measure,
)
from offline_training.toys.toy_config import ToyLanguageConfig
from offline_training.words.settings.vlg_config import VlgConfig

_FREE = ("out", "threads", "progress", "workers")  # locations and the number of workers do not affect any number
_NO_MORE: tuple[str, ...] = ()  # replaces a key that no study used, so that measured runs keep their hash
_FIGURES = 3  # version of an evaluation's file: change it when figures are added, so that older files are replaced


@dataclass(frozen=True)
class LanguageRuns:
    """The runs of a study of 3DSS-VLG; a row that is like another evaluates its run in another way, in its own cells."""

    study: LanguageStudy
    place: Place

    def prepare(self, rows: tuple[LanguageRow, ...]) -> None:
        """Make the toy model, the features of all images and, if the study has a bound, its rows."""
        _train_toy_language(self.study, self.place)
        for config in self.feature_configs(rows):
            _extract(config)
        if self.study.bound is not None and {self.study.bound.row, self.study.bound.above} <= {
            row.name for row in rows
        }:
            require_bound(self, self.study.bound)

    def feature_configs(self, rows: tuple[LanguageRow, ...]) -> list[VlgConfig]:
        """The configurations of the feature extractions, each once."""
        decisive = {"train", "validation", "classes", "model", "extract"}
        jobs: dict[str, VlgConfig] = {}
        for config in self._read_by(rows):
            jobs.setdefault(config.model_dump_json(include=decisive), config)
        return [*jobs.values()]

    def configurations(self, row: LanguageRow, seed: int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The configuration of the run, so that its stages can be repeated one by one with their commands."""
        file = self.place.out / "configs" / slug(row.name) / f"seed{seed}.yaml"
        yield file, self.config(row, seed).model_dump(mode="json")

    def cell_file(self, row: LanguageRow, column: LanguageColumn, seed: int) -> Path:
        """A file outside the runs' folders, which are emptied when their configuration changes."""
        return self.place.out / "cells" / slug(row.name) / f"seed{seed}" / f"{slug(column.name)}.json"

    def key(self, row: LanguageRow, column: LanguageColumn, seed: int) -> str:
        """Hash of all that leads to a cell's number."""
        asked = [_way_of_asking(row), self._where(row, column), column.measure, column.of]
        return sha256_of_values([self.run_key(row, seed), asked])

    def measured(self, row: LanguageRow, column: LanguageColumn, seed: int) -> Measured:
        """Run the stages that the row needs, and measure its answers."""
        config = self.config(row, seed)
        checkpoint = trained(config, row, self.run_key(row, seed))
        return _MEASURES[column.measure](_Asked(self, row, column, seed, config, checkpoint))

    def report(self, rows: tuple[LanguageRow, ...], cells: list[Cell]) -> None:
        """Write the table with differences from the first row."""
        write_table(self.study, rows, cells, self.place.out)

    def config(self, row: LanguageRow, seed: int) -> VlgConfig:
        """The configuration of a row's run. Raises BadConfig."""
        owner = self.study.owner(row)
        settings = self.place.filled(self.study.settings(owner), seed)
        where = {
            "out": str(self.place.folder(owner.name, seed)),
            "seed": seed,
            "threads": self.place.threads,
            "progress": False,
        }
        return validated(VlgConfig, {**settings, **where}, f"reproduce, {row.name}")

    def run_key(self, row: LanguageRow, seed: int) -> str:
        """Hash of everything that determines a run's networks."""
        settings = filled(self.study.settings(row), {"data": self.place.data, "seed": str(seed)})
        # Weights are trained again if the toy model's recipe or training data changes.
        weights = self.place.out / "toy_language" / "weights.safetensors"
        made = sha256_of(weights) if weights.is_file() else None
        toy = None if self.study.toy_language is None else [recipe_with(self.study.toy_language), made]
        lasting = {name: value for name, value in settings.items() if name not in _FREE}
        return sha256_of_values([lasting, toy, _NO_MORE, seed])

    def evaluation_file(self, row: LanguageRow, column: LanguageColumn, seed: int) -> tuple[Path, str]:
        """File and key of the evaluation that a column reads; columns with the same question share one."""
        where = self._where(row, column)
        path = self.cell_file(row, column, seed).with_name(f"evaluation_{sha256_of_values(where)[:12]}.json")
        return path, sha256_of_values([_FIGURES, self.run_key(row, seed), _way_of_asking(row), where])

    def _where(self, row: LanguageRow, column: LanguageColumn) -> list[Any]:
        return [column.test, column.classes, self.study.words_asked(row, column), column.truth_as]

    def _read_by(self, rows: tuple[LanguageRow, ...]) -> Iterator[VlgConfig]:
        """The configurations whose scenes need image features: training scenes of all rows, test scenes if 2D features answer."""
        for row in rows:
            if row.quoted:
                continue
            config = self.config(row, self.study.seeds[0]).model_copy(update={"threads": machine_cores()})
            yield config if row.mode != "3d" else config.model_copy(update={"validation": ()})
            for column in self.study.columns_of(row):
                if column.test is not None and row.mode != "3d":
                    tests = tuple(column_sources(column, self.place, 0))
                    changes = {"train": (), "validation": tests, "classes": column.classes or config.classes}
                    yield config.model_copy(update=changes)


@dataclass(frozen=True)
class _Asked:
    """A cell to measure, with its trained run."""

    runs: LanguageRuns
    row: LanguageRow
    column: LanguageColumn
    seed: int
    config: VlgConfig
    checkpoint: Path | None  # of the 3D network, if the row has one


def column_sources(column: LanguageColumn, place: Place, seed: int) -> list[DataSource]:
    """The data sets of a column."""
    tests = place.filled(list(column.test or ()), seed)
    return [data_source(one, "reproduce, test") for one in tests]


def toy_language_config(study: LanguageStudy, place: Place) -> ToyLanguageConfig | None:
    """The configuration of the study's toy language model, if it has one. Raises BadConfig."""
    if study.toy_language is None:
        return None
    settings = {**place.filled(recipe_with(study.toy_language), 0), "out": str(place.out / "toy_language")}
    return validated(ToyLanguageConfig, settings, "reproduce, toy language model")


def _train_toy_language(study: LanguageStudy, place: Place) -> None:
    config = toy_language_config(study, place)
    if config is not None:
        from offline_training.toys.toy_language import train_toy_language

        train_toy_language(config)


def _extract(config: VlgConfig) -> None:
    from offline_training.words.features.extract_features import extract_features

    extract_features(config)


def _minutes(asked: _Asked) -> Measured:
    files = stage_files(asked.config, asked.row).values()
    return Measured(sum(json.loads(file.read_text())["seconds"] for file in files) / 60.0, {})


def _pseudo_labels(asked: _Asked) -> Measured:
    from offline_training.words.evaluation.evaluate_language import pseudo_label_quality

    path, key = Path(asked.config.out) / "pseudo_label_quality.json", asked.runs.run_key(asked.row, asked.seed)
    found = kept(path, key, lambda: pseudo_label_quality(asked.config))
    return Measured(100.0 * found[asked.column.measure.removeprefix("pseudo_label_")], found["per_class_iou"])


def _answers(asked: _Asked) -> Measured:
    path, key = asked.runs.evaluation_file(asked.row, asked.column, asked.seed)
    evaluation = kept(path, key, lambda: _evaluated(asked))
    found, column = evaluation["pooled"], asked.column
    iou = found["per_class_iou_openscene" if column.measure == "mean_iou_openscene" else "per_class_iou"]
    if column.of is None:
        return Measured(
            100.0 * found[column.measure], iou, evaluation["scenes"] if column.measure == "mean_iou" else None
        )
    single = found[OF_ONE_CLASS[column.measure]]
    return Measured(100.0 * sum(single[name] or 0.0 for name in column.of) / len(column.of), iou)


def _evaluated(asked: _Asked) -> dict[str, Any]:
    from offline_training.words.evaluation.evaluate_language import evaluate_language
    from offline_training.words.settings.question import Question

    row, column, config = asked.row, asked.column, asked.config
    words = load_vocabulary(asked.runs.study.words_asked(row, column))
    question = Question(row.mode, words, column.truth_as, row.oracle_lists, row.specialised, row.constant)
    tests = None if column.test is None else column_sources(column, asked.runs.place, asked.seed)
    if column.classes is not None:
        config = config.model_copy(update={"classes": column.classes})
    return evaluate_language(config, asked.checkpoint, question, tests)


def _way_of_asking(row: LanguageRow) -> list[Any]:
    return [row.mode, row.specialised, row.oracle_lists, *([True] if row.constant else [])]


_MEASURES: dict[Measure, Callable[[_Asked], Measured]] = {
    "mean_iou": _answers,
    "mean_accuracy": _answers,
    "mean_iou_openscene": _answers,
    "pseudo_label_accuracy": _pseudo_labels,
    "pseudo_label_mean_iou": _pseudo_labels,
    "pseudo_label_coverage": _pseudo_labels,
    "minutes": _minutes,
}
