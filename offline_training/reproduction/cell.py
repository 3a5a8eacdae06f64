"""One cell of a study: pre-train, fine-tune, measure; what is done already is found by the hash of its configurations. Touches the disk."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.data_sources import DataSource, data_source
from offline_training.reproduction.cost import pretraining_cost
from offline_training.reproduction.study import Column, Row, StudyConfig, filled, recipe_with


@dataclass(frozen=True)
class Cell:
    """A measured number."""

    row: str
    column: str
    seed: int
    value: float  # percent, hours or GB
    per_class_iou: dict[str, float | None]
    configs_sha256: str  # of everything that led to the number


_KEYS = {field.name for field in fields(Cell)}


@dataclass(frozen=True)
class Place:
    """Where a study lies and where its data are."""

    out: Path
    data: str
    threads: int  # of each run

    def folder(self, row: Row, seed: int) -> Path:
        """Of the runs of one row and seed; a row that is like another one shares that one's."""
        return self.out / "runs" / slug(row.like or row.name) / f"seed{seed}"

    def cell_file(self, row: Row, column: Column, seed: int) -> Path:
        """Where a cell's number is kept."""
        return self.folder(row, seed) / f"{slug(column.name)}.json"

    def filled(self, value: dict[str, Any], seed: int) -> dict[str, Any]:
        """A configuration with its places filled in."""
        return filled(value, {"data": self.data, "out": str(self.out), "seed": str(seed)})


def run_row(study: StudyConfig, row: Row, seed: int, place: Place) -> list[Cell]:
    """All cells of one row and one seed, in the order of the columns; cells that are done are only read."""
    return [_run_cell(study, row, column, seed, place) for column in study.columns]


def read_cell(study: StudyConfig, row: Row, column: Column, seed: int, place: Place) -> Cell | None:
    """The cell, if its number was measured with exactly these configurations."""
    return read_stored_cell(place.cell_file(row, column, seed), row.name, _hash(study, row, column, seed, place))


def read_stored_cell(path: Path, row: str, configs_sha256: str) -> Cell | None:
    """A cell from its file, under the name of its row; None unless the file is whole and of these configurations."""
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return None  # not measured yet, or a file that somebody damaged
    if not isinstance(stored, dict) or set(stored) != _KEYS or stored["configs_sha256"] != configs_sha256:
        return None
    return Cell(**{**stored, "row": row})


def pretrain_config(study: StudyConfig, row: Row, seed: int, place: Place) -> dict[str, Any] | None:
    """The row's pre-training, None for random weights."""
    row = study.row(row.like) if row.like else row
    if row.recipe is None:
        return None
    where = {
        "out": str(place.folder(row, seed) / "pretrain"),
        "seed": seed,
        "threads": place.threads,
        "progress": False,
    }
    return {**place.filled(recipe_with(row.recipe, study.pretrain, row.pretrain), seed), **where}


def finetune_config(study: StudyConfig, row: Row, column: Column, seed: int, place: Place) -> dict[str, Any] | None:
    """The fine-tuning or probing of a row that a column measures; None for a column that measures the pre-training."""
    row = study.row(row.like) if row.like else row
    column = study.column(column.like) if column.like else column
    if column.recipe is None:
        return None
    folder = place.folder(row, seed)
    start = None if row.recipe is None else str(folder / "pretrain" / "checkpoints")
    where = {"out": str(folder / slug(column.name)), "seed": seed, "threads": place.threads, "progress": False}
    settings = recipe_with(column.recipe, study.finetune, column.finetune, row.finetune)
    return {**place.filled(settings, seed), **where, "start_from": start}


def _run_cell(study: StudyConfig, row: Row, column: Column, seed: int, place: Place) -> Cell:
    done = read_cell(study, row, column, seed, place)
    if done is not None:
        return done
    pretrain_settings = pretrain_config(study, row, seed, place)
    if pretrain_settings is not None:
        _pretrain(pretrain_settings, _made_before(study, row))
    value, per_class_iou = _measured(study, row, column, seed, place)
    cell = Cell(row.name, column.name, seed, value, per_class_iou, _hash(study, row, column, seed, place))
    write_text(place.cell_file(row, column, seed), json.dumps(asdict(cell), indent=1))
    return cell


def _pretrain(settings: dict[str, Any], made_before: list[Any]) -> None:
    """Run or finish a pre-training, unless it is finished with these settings and labels."""
    from offline_training.pretraining.config import pretrain_config_of
    from offline_training.pretraining.pretrain import pretrain

    finished = Path(settings["out"]) / "finished"
    key = _sha256([settings, made_before])
    if finished.is_file() and finished.read_text() == key:
        return
    pretrain(pretrain_config_of(settings, "reproduce, pre-training"))
    write_text(finished, key)


def _measured(
    study: StudyConfig, row: Row, column: Column, seed: int, place: Place
) -> tuple[float, dict[str, float | None]]:
    settings = finetune_config(study, row, column, seed, place)
    if settings is None:
        cost = pretraining_cost(place.folder(row, seed) / "pretrain")
        return (cost.hours if column.measure == "hours" else cost.memory_gb), {}
    checkpoint = _finetune(settings)
    tests = place.filled({"test": column.test or study.test}, seed)["test"]
    sources = [data_source(one, "reproduce, test") for one in tests]
    if column.measure != "mean_iou":
        return _robustness(study, column, checkpoint, sources, place), {}
    from offline_training.finetuning.evaluate import evaluate

    pooled = evaluate(checkpoint, sources, None, place.threads)["pooled"]
    return 100.0 * pooled["mean_iou"], pooled["per_class_iou"]


def _finetune(settings: dict[str, Any]) -> Path:
    from offline_training.finetuning.config import FinetuneConfig
    from offline_training.finetuning.finetune import finetune

    return finetune(validated(FinetuneConfig, settings, "reproduce, fine-tuning"))


def _robustness(study: StudyConfig, column: Column, checkpoint: Path, sources: list[DataSource], place: Place) -> float:
    """Of a fine-tuned network; all its columns read one measurement, kept beside its checkpoints."""
    from offline_training.evaluation.robustness import RobustnessConfig, robustness

    folder = place.filled({"nuscenes_c": study.nuscenes_c}, 0)["nuscenes_c"]
    config = RobustnessConfig(sources=tuple(sources), nuscenes_c=folder, baseline=study.robustness_baseline)
    file = checkpoint.parent.parent / "robustness.json"
    key = _sha256([config.model_dump(mode="json"), checkpoint.read_text()])
    kept = json.loads(file.read_text()) if file.is_file() else {}
    if kept.get("key") != key:
        kept = {"key": key, "found": robustness(checkpoint, config)}
        write_text(file, json.dumps(kept))
    found = kept["found"]
    if column.measure == "corrupted_mean_iou":
        severities = found["mean_iou"][column.corruption].values()
        return sum(severities) / len(severities)
    return found[column.measure]


def _hash(study: StudyConfig, row: Row, column: Column, seed: int, place: Place) -> str:
    """Of all that leads to a cell's number; where things lie and how many threads work do not."""
    free = ("out", "threads", "start_from", "progress")
    configs = [
        {name: value for name, value in (settings or {}).items() if name not in free}
        for settings in (
            pretrain_config(study, row, seed, place),
            finetune_config(study, row, column, seed, place),
        )
    ]
    before = _made_before(study, row)
    tests = list(column.test or study.test)
    return _sha256(
        [configs, before, tests, column.measure, column.corruption, study.nuscenes_c, study.robustness_baseline]
    )


def _made_before(study: StudyConfig, row: Row) -> list[Any]:
    """What a row's pre-training reads that the study makes first: the toy teacher, and the labels in the folder it names."""
    row = study.row(row.like) if row.like else row
    if row.recipe is None:
        return []
    folder = recipe_with(row.recipe, study.pretrain, row.pretrain).get("weak_labels")
    return [study.toy_teacher, [labels for labels in study.weak_labels if labels["out"] == folder]]


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def slug(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
