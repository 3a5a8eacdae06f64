"""One cell of a study of 3DSS-VLG: train what its row needs, ask, measure; what is done is found by hashes. Touches the disk."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import load_yaml, validated
from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.foundation.files import sha256_of, write_text
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.datasets.data_sources import data_source
from offline_training.reproduction.cell import Cell, read_stored_cell, slug
from offline_training.reproduction.study import CONFIGS, filled
from offline_training.reproduction.vlg_study import LanguageColumn, LanguageRow, LanguageStudyConfig
from offline_training.reproduction.vlg_unnamed import LISTS, VOCABULARY
from offline_training.words.settings.vlg_config import VlgConfig

_FREE = ("out", "threads", "progress", "workers")  # where things lie and how many work at them decides over no number


@dataclass(frozen=True)
class LanguagePlace:
    """Where a study lies and where its data are."""

    out: Path
    data: str
    threads: int  # of each run

    def run_folder(self, row: LanguageRow, seed: int) -> Path:
        """Of the run of one row and seed; a row that is like another one shares that one's."""
        return self.out / "runs" / slug(row.like or row.name) / f"seed{seed}"

    def words_folder(self, row: LanguageRow) -> Path:
        """Of the words of a row that leave classes out."""
        return self.out / "words" / slug(row.name)

    def cell_file(self, row: LanguageRow, column: LanguageColumn, seed: int) -> Path:
        """Where a cell's number is kept."""
        return self.out / "cells" / slug(row.name) / f"seed{seed}" / f"{slug(column.name)}.json"

    def filled(self, value: Any, seed: int) -> Any:  # noqa: ANN401  any JSON value
        """A configuration with its places filled in."""
        return filled(value, {"data": self.data, "out": str(self.out), "seed": str(seed)})


def run_config(study: LanguageStudyConfig, row: LanguageRow, seed: int, place: LanguagePlace) -> VlgConfig:
    """The configuration of a row's run. Raises BadConfig."""
    owner = study.row(row.like) if row.like else row
    settings = place.filled(study.settings(owner), seed)
    if owner.unnamed:
        folder = place.words_folder(owner)
        settings["vocabulary"] = str(folder / VOCABULARY)
        settings["pseudo"] = {**settings.get("pseudo", {}), "lists_file": str(folder / LISTS)}
    where = {
        "out": str(place.run_folder(row, seed)),
        "seed": seed,
        "threads": place.threads,
        "progress": False,
    }
    return validated(VlgConfig, {**settings, **where}, f"reproduce, {row.name}")


def run_rows(study: LanguageStudyConfig, names: tuple[str, ...], seed: int, place: LanguagePlace) -> list[Cell]:
    """All cells of rows that share one run, for one seed; cells that are done are only read."""
    return [
        _run_cell(study, study.row(name), column, seed, place)
        for name in names
        for column in study.columns_of(study.row(name))
    ]


def read_cell(
    study: LanguageStudyConfig, row: LanguageRow, column: LanguageColumn, seed: int, place: LanguagePlace
) -> Cell | None:
    """The cell, if its number was measured with exactly these configurations."""
    return read_stored_cell(place.cell_file(row, column, seed), row.name, _hash(study, row, column, seed, place))


def _run_cell(
    study: LanguageStudyConfig, row: LanguageRow, column: LanguageColumn, seed: int, place: LanguagePlace
) -> Cell:
    done = read_cell(study, row, column, seed, place)
    if done is not None:
        return done
    config = run_config(study, row, seed, place)
    checkpoint = _trained(config, row, _run_key(study, row, seed, place))
    value, per_class_iou = _measured(study, row, column, config, checkpoint, seed, place)
    cell = Cell(row.name, column.name, seed, value, per_class_iou, _hash(study, row, column, seed, place))
    write_text(place.cell_file(row, column, seed), json.dumps(asdict(cell), indent=1))
    return cell


def _trained(config: VlgConfig, row: LanguageRow, key: str) -> Path | None:
    """Run the stages that a row's answers come from; the checkpoint of the 3D network where there is one."""
    _claim(Path(config.out), key)
    made = {name: _stage(file, stages()[name], config) for name, file in _stage_files(config, row).items()}
    return Path(made["guide"]) if "guide" in made else None


def _guided(config: VlgConfig) -> Path:
    """Stage 3 to its last step. Raises BadCheckpoint where a signal ended it before: the next start goes on."""
    from offline_training.runs.checkpoint import load_checkpoint
    from offline_training.words.stages.guidance.guide import guide

    checkpoint = guide(config)
    reached = load_checkpoint(checkpoint.parent).step
    if reached < config.guide.max_steps:
        raise BadCheckpoint(
            f"{checkpoint.parent}: expected {config.guide.max_steps} steps, found {reached}: the run was stopped. "
            "Start the study again, it goes on from there."
        )
    return checkpoint


def _stage_files(config: VlgConfig, row: LanguageRow) -> dict[str, Path]:
    """The stages that a row's answers come from, in their order, and the file that each leaves when it is finished."""
    names = ["pseudo_label"]
    if config.specialise.enabled and (row.mode != "2d" or row.specialised):
        names.append("specialise")
    if row.mode != "2d":
        names.append("guide")
    return {name: Path(config.out) / f"{name}.finished" for name in names}


def stages() -> dict[str, Callable[[VlgConfig], object]]:
    """The three stages of 3DSS-VLG; torch is not imported before they are needed."""
    from offline_training.words.stages.adapter.specialise import specialise
    from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label

    return {"pseudo_label": pseudo_label, "specialise": specialise, "guide": _guided}


def _claim(folder: Path, key: str) -> None:
    """Take the folder of a run; what another configuration of the study left in it goes."""
    mark = folder / "configs_sha256"
    if folder.is_dir() and not (mark.is_file() and mark.read_text() == key):
        shutil.rmtree(folder)
    write_text(mark, key)


def _stage(finished: Path, run: Callable[[VlgConfig], object], config: VlgConfig) -> str:
    """Run a stage, unless it is finished; returns what it made. Its file keeps how long the last start of it took."""
    if finished.is_file():
        return json.loads(finished.read_text())["made"]
    start_s = time.monotonic()
    made = str(run(config))
    write_text(finished, json.dumps({"made": made, "seconds": time.monotonic() - start_s}))
    return made


def _measured(
    study: LanguageStudyConfig,
    row: LanguageRow,
    column: LanguageColumn,
    config: VlgConfig,
    checkpoint: Path | None,
    seed: int,
    place: LanguagePlace,
) -> tuple[float, dict[str, float | None]]:
    from offline_training.words.evaluation.evaluate_language import pseudo_label_quality

    if column.measure == "minutes":
        return sum(json.loads(file.read_text())["seconds"] for file in _stage_files(config, row).values()) / 60.0, {}
    if column.measure.startswith("pseudo_label"):
        path, ask = Path(config.out) / "pseudo_label_quality.json", lambda: pseudo_label_quality(config)
        found = _kept(path, _run_key(study, row, seed, place), ask)
        return 100.0 * found[column.measure.removeprefix("pseudo_label_")], found["per_class_iou"]
    found = _evaluated(study, row, column, config, checkpoint, seed, place)["pooled"]
    iou = found["per_class_iou"]
    if column.of is None:
        return 100.0 * found[column.measure], iou
    kind = {"mean_iou": "per_class_iou", "mean_accuracy": "per_class_recall"}[column.measure]
    return 100.0 * sum(found[kind][name] or 0.0 for name in column.of) / len(column.of), iou


def _evaluated(
    study: LanguageStudyConfig,
    row: LanguageRow,
    column: LanguageColumn,
    config: VlgConfig,
    checkpoint: Path | None,
    seed: int,
    place: LanguagePlace,
) -> dict[str, Any]:
    """The evaluation that a column reads; columns that ask the same read one."""
    from offline_training.words.evaluation.evaluate_language import evaluate_language
    from offline_training.words.settings.question import Question

    words = study.words_asked(row, column)
    question = Question(row.mode, load_vocabulary(words), column.truth_as, row.oracle_lists, row.specialised)
    tests = None
    if column.test is not None:
        tests = [data_source(one, "reproduce, test") for one in place.filled(list(column.test), seed)]
    if column.classes is not None:
        config = config.model_copy(update={"classes": column.classes})
    key = _sha256([_run_key(study, row, seed, place), _asked(row), _where(column, words)])
    path = place.cell_file(row, column, seed).parent / f"evaluation_{_sha256(_where(column, words))[:12]}.json"
    return _kept(path, key, lambda: evaluate_language(config, checkpoint, question, tests))


def _kept(path: Path, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A measurement from its file, or made and written there."""
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        stored = {}  # not measured yet, or a file that somebody damaged
    if stored.get("key") != key:
        stored = {"key": key, "found": measure()}
        write_text(path, json.dumps(stored, indent=1))
    return stored["found"]


def _run_key(study: LanguageStudyConfig, row: LanguageRow, seed: int, place: LanguagePlace) -> str:
    """Hash of all that leads to a run's networks."""
    settings = filled(study.settings(row), {"data": place.data, "seed": str(seed)})
    weights = (
        place.out / "toy_language" / "weights.safetensors"
    )  # made anew when the recipe or what it learns from changes
    toy = None if study.toy_language is None else [load_yaml(CONFIGS / study.toy_language), _sha256_of(weights)]
    unnamed = (study.row(row.like) if row.like else row).unnamed
    return _sha256([{name: value for name, value in settings.items() if name not in _FREE}, toy, unnamed, seed])


def _asked(row: LanguageRow) -> list[Any]:
    return [row.mode, row.specialised, row.oracle_lists]


def _where(column: LanguageColumn, words: str) -> list[Any]:
    return [column.test, column.classes, words, column.truth_as]


def _hash(study: LanguageStudyConfig, row: LanguageRow, column: LanguageColumn, seed: int, place: LanguagePlace) -> str:
    asked = [_asked(row), _where(column, study.words_asked(row, column)), column.measure, column.of]
    return _sha256([_run_key(study, row, seed, place), asked])


def _sha256_of(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
