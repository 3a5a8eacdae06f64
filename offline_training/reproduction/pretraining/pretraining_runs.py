"""The runs of a study of pre-training: weak labels, pre-training, fine-tuning, measurement. Touches the disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.data_sources import DataSource, data_source
from offline_training.reproduction.base.cells import Cell, Measured, Place, kept, sha256_of_values, slug
from offline_training.reproduction.base.study import recipe_with
from offline_training.reproduction.base.table import write_table
from offline_training.reproduction.pretraining.cost import Cost, pretraining_cost
from offline_training.reproduction.pretraining.pretraining_study import (
    Measure,
    PretrainingColumn,
    PretrainingRow,
    PretrainingStudy,
)
from offline_training.toys.toy_teacher_config import ToyTeacherConfig

_FREE = ("out", "threads", "start_from", "progress")  # locations and the number of workers do not affect any number
_MEASURED_HERE = (
    "validation",
    "validate_every",
)  # keys of a recipe that are dropped: a study measures its networks itself, on its own data sets


@dataclass(frozen=True)
class PretrainingRuns:
    """The runs of a study of pre-training; rows that are like another have no runs and no cells of their own."""

    study: PretrainingStudy
    place: Place

    def prepare(self, rows: tuple[PretrainingRow, ...]) -> None:
        """Make the toy teacher and the weak labels, if the study has its own."""
        _train_toy_teacher(self.study, self.place)
        for labels in self.study.weak_labels:
            from offline_training.weak_labels.config import WeakLabelConfig
            from offline_training.weak_labels.weak_label import weak_label

            weak_label(validated(WeakLabelConfig, self.place.filled(labels, 0), "reproduce, weak labels"))

    def configurations(self, row: PretrainingRow, seed: int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The configurations of `pretrain` and of every `finetune`, as files beside their runs' folders."""
        tunings = [self.finetuning(row, column, seed) for column in self.study.columns]
        for settings in (self.pretraining(row, seed), *tunings):
            if settings is not None:
                folder = Path(settings["out"])
                yield folder.with_name(f"{folder.name}.yaml"), settings

    def cell_file(self, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Path:
        """A file beside the runs that it was measured on."""
        return self._folder(row, seed) / f"{slug(column.name)}.json"

    def key(self, row: PretrainingRow, column: PretrainingColumn, seed: int) -> str:
        """Hash of all that leads to a cell's number."""
        configs = [
            {name: value for name, value in (settings or {}).items() if name not in _FREE}
            for settings in (self.pretraining(row, seed), self.finetuning(row, column, seed))
        ]
        study = self.study
        tests = list(column.test or study.test)
        robustness = [column.corruption, study.nuscenes_c, study.robustness_baseline]
        boxes = [] if column.box_class is None else [column.box_class]
        return sha256_of_values([configs, self.made_before(row), tests, column.measure, *robustness, *boxes])

    def measured(self, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
        """Run or finish the row's pre-training and the column's fine-tuning, and measure the cell."""
        self.pretrain(row, seed)
        return _MEASURES[column.measure](self, row, column, seed)

    def report(self, rows: tuple[PretrainingRow, ...], cells: list[Cell]) -> None:
        """Write the table with differences from the first row."""
        write_table(self.study, rows, cells, self.place.out)

    def pretrain(self, row: PretrainingRow, seed: int) -> None:
        """Run or finish the row's pre-training, if it has one."""
        settings = self.pretraining(row, seed)
        if settings is not None:
            _pretrain(settings, self.made_before(row))

    def pretraining(self, row: PretrainingRow, seed: int) -> dict[str, Any] | None:
        """The settings of the row's pre-training, None for random weights."""
        row = self.study.owner(row)
        if row.recipe is None:
            return None
        settings = recipe_with(row.recipe, self.study.pretrain, row.pretrain)
        return self._placed(settings, self._folder(row, seed) / "pretrain", seed)

    def is_pretrained(self, row: PretrainingRow, seed: int) -> bool:
        """Whether the row's pre-training is finished, with its settings and labels."""
        settings = self.pretraining(row, seed)
        return settings is not None and _is_finished(settings, self.made_before(row))

    def finetuning(self, row: PretrainingRow, column: PretrainingColumn, seed: int) -> dict[str, Any] | None:
        """The settings of the fine-tuning that a column measures; None for a column that measures the pre-training."""
        row, column = self.study.owner(row), self.study.tuning(column)
        if column.recipe is None:
            return None
        folder = self._folder(row, seed)
        start = None if row.recipe is None else str(folder / "pretrain" / "checkpoints")
        settings = recipe_with(column.recipe, self.study.finetune, column.finetune, row.finetune)
        kept = {key: value for key, value in settings.items() if key not in _MEASURED_HERE}
        return {**self._placed(kept, folder / slug(column.name), seed), "start_from": start}

    def made_before(self, row: PretrainingRow) -> list[Any]:
        """Settings of what the study makes before a row's pre-training: the toy teacher, and the labels in its folder."""
        row = self.study.owner(row)
        if row.recipe is None:
            return []
        folder = recipe_with(row.recipe, self.study.pretrain, row.pretrain).get("weak_labels")
        return [self.study.toy_teacher, [labels for labels in self.study.weak_labels if labels["out"] == folder]]

    def sources(self, column: PretrainingColumn, seed: int) -> list[DataSource]:
        """The data sets that a column measures on."""
        tests = self.place.filled(list(column.test or self.study.test), seed)
        return [data_source(one, "reproduce, test") for one in tests]

    def cost(self, row: PretrainingRow, seed: int) -> Cost:
        """The cost of a row's pre-training."""
        return pretraining_cost(self._folder(row, seed) / "pretrain")

    def _folder(self, row: PretrainingRow, seed: int) -> Path:
        return self.place.folder(self.study.owner(row).name, seed)

    def _placed(self, settings: dict[str, Any], out: Path, seed: int) -> dict[str, Any]:
        where = {"out": str(out), "seed": seed, "threads": self.place.threads, "progress": False}
        return {**self.place.filled(settings, seed), **where}


def toy_teacher_config(study: PretrainingStudy, place: Place) -> ToyTeacherConfig | None:
    """The configuration of the study's toy teacher, if it has one. Raises BadConfig."""
    if study.toy_teacher is None:
        return None
    where = {"out": str(place.out / "toy_teacher"), "threads": machine_cores()}
    return validated(ToyTeacherConfig, {**place.filled(study.toy_teacher, 0), **where}, "reproduce, toy teacher")


def _train_toy_teacher(study: PretrainingStudy, place: Place) -> None:
    config = toy_teacher_config(study, place)
    if config is not None:
        from offline_training.toys.toy_teacher import train_toy_teacher

        train_toy_teacher(config)


def _pretrain(settings: dict[str, Any], made_before: list[Any]) -> None:
    """Run or finish a pre-training, unless it is finished with these settings and labels."""
    from offline_training.pretraining.config import pretrain_config_of
    from offline_training.pretraining.pretrain import pretrain

    if _is_finished(settings, made_before):
        return
    pretrain(pretrain_config_of(settings, "reproduce, pre-training"))
    write_text(*_finished(settings, made_before))


def _finished(settings: dict[str, Any], made_before: list[Any]) -> tuple[Path, str]:
    """The file that marks a finished pre-training, and its content: a hash of the settings it was made with."""
    lasting = {name: value for name, value in settings.items() if name not in _FREE}
    return Path(settings["out"]) / "finished", sha256_of_values([lasting, made_before])


def _is_finished(settings: dict[str, Any], made_before: list[Any]) -> bool:
    file, key = _finished(settings, made_before)
    return file.is_file() and file.read_text() == key


def _finetune(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Path:
    """The checkpoint of the network that a column measures."""
    from offline_training.finetuning.config import FinetuneConfig
    from offline_training.finetuning.tasks import finetune_config_of

    config = finetune_config_of(runs.finetuning(row, column, seed) or {}, "reproduce, fine-tuning")
    if isinstance(config, FinetuneConfig):
        from offline_training.finetuning.finetune import finetune

        return finetune(config)
    from offline_training.finetuning.detection.detect_finetune import detect_finetune

    return detect_finetune(config)


def _mean_iou(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
    checkpoint = _finetune(runs, row, column, seed)
    from offline_training.evaluation.evaluate import evaluate

    pooled = evaluate(checkpoint, runs.sources(column, seed), threads=runs.place.threads).metrics["pooled"]
    return Measured(100.0 * pooled["mean_iou"], pooled["per_class_iou"])


def _box_ap(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
    checkpoint = _finetune(runs, row, column, seed)
    from offline_training.reproduction.pretraining.box_ap import box_ap

    return box_ap(checkpoint, runs.sources(column, seed), column.box_class, runs.place.threads)


def _robustness(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
    """Robustness of a fine-tuned network; all its columns share one measurement, stored beside its checkpoints."""
    checkpoint = _finetune(runs, row, column, seed)
    from offline_training.evaluation.robustness import RobustnessConfig, robustness

    study = runs.study
    folder = runs.place.filled(study.nuscenes_c, 0)
    sources = tuple(runs.sources(column, seed))
    config = RobustnessConfig(sources=sources, nuscenes_c=folder, baseline=study.robustness_baseline)
    key = sha256_of_values([config.model_dump(mode="json"), checkpoint.read_text()])
    found = kept(checkpoint.parent.parent / "robustness.json", key, lambda: robustness(checkpoint, config))
    if column.corruption is None:
        return Measured(found[column.measure], {})
    severities = found["mean_iou"][column.corruption].values()
    return Measured(sum(severities) / len(severities), {})


def _hours(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
    return Measured(runs.cost(row, seed).hours, {})


def _memory_gb(runs: PretrainingRuns, row: PretrainingRow, column: PretrainingColumn, seed: int) -> Measured:
    return Measured(runs.cost(row, seed).memory_gb, {})


_MEASURES: dict[Measure, Callable[[PretrainingRuns, PretrainingRow, PretrainingColumn, int], Measured]] = {
    "mean_iou": _mean_iou,
    "mce": _robustness,
    "mrr": _robustness,
    "corrupted_mean_iou": _robustness,
    "box_ap": _box_ap,
    "hours": _hours,
    "memory_gb": _memory_gb,
}
