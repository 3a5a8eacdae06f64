"""Selects the best weights of stage 3: not at all, by pseudo labels of held-out scenes, or by truth as the original does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path

import numpy as np

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.words.text_table import TextTable
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.words.settings.question import pooled_confusion
from offline_training.words.settings.training_samples import opened, require_truth_in_words
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.inference import LanguageNetwork, predict_scene
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER as LABELS
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore

_SAME = np.arange(256, dtype=np.uint8)  # truth and answers have the same classes
Measure = Callable[[LanguageNetwork, Callable[[], bool]], ConfusionMatrix]  # ends early if the second says so
_Judged = Callable[
    [], Iterator[tuple[Sample, np.ndarray]]
]  # samples, each with the classes its answers are compared with


def trained_scenes(config: VlgConfig, count: int) -> list[int]:
    """Numbers of the scenes to train on: all, or all but every n-th if pseudo labels select.

    Raises BadConfig if none would be left.
    """
    if config.guide.select != "pseudo_labels":
        return list(range(count))
    kept = [number for number in range(count) if number % config.guide.held_out_every]
    if not kept:
        raise BadConfig(
            f"guide.select=pseudo_labels: expected at least two training scenes, of which one is held out, found {count}. "
            "Use guide.select=last."
        )
    return kept


def measure(config: VlgConfig, table: TextTable, datasets: Sequence[SampleSource]) -> Measure | None:
    """The measure of a network's quality that config.guide.select names; None without one.

    Raises BadConfig, BadLabels.
    """
    if config.guide.select == "last":
        return None
    if config.guide.select == "pseudo_labels":
        labels = PseudoLabelStore(Path(config.out) / LABELS)
        labels.scenes()  # fails now rather than after an hour if labels are missing
        return partial(_confusion, table, partial(_held_out, datasets, config.guide.held_out_every, labels))
    require_truth_in_words(config)
    if not config.validation:
        raise BadConfig(
            "guide.select=validation_truth: expected validation data, found none. Add a data set to validation."
        )
    return partial(_confusion, table, partial(_validation, opened(config, config.validation)))


def _confusion(
    table: TextTable, judged: _Judged, network: LanguageNetwork, is_stopped: Callable[[], bool]
) -> ConfusionMatrix:
    chosen = takewhile(lambda _: not is_stopped(), judged())
    samples = (replace(sample, class_id=expected) for sample, expected in chosen)
    return pooled_confusion(
        samples, lambda sample: predict_scene("3d", sample, table, network).class_id, _SAME, len(table.class_table)
    )


def _held_out(
    datasets: Sequence[SampleSource], every: int, labels: PseudoLabelStore
) -> Iterator[tuple[Sample, np.ndarray]]:
    number = 0
    for dataset in datasets:
        for index in range(len(dataset)):
            if number % every == 0:
                sample = dataset[index]
                yield sample, labels.read(sample.name).class_id
            number += 1


def _validation(datasets: Sequence[SampleSource]) -> Iterator[tuple[Sample, np.ndarray]]:
    for dataset in datasets:
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample.class_id is not None:
                yield sample, sample.class_id
