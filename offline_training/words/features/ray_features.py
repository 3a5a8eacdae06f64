"""The engine for fleets: scenes spread over a Ray cluster, as `weak-label` spreads images. Touches the network.

Every worker opens data sets, model and store by the configuration's paths, which must be the same on all machines.
A scene is written completely or not at all, so the work of a worker that dies is repeated and nothing is lost.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from lidar_vl_core.foundation import errors
from lidar_vl_core.foundation.errors import LidarVlError
from offline_training.weak_labels.ray_job import attempts_folder, count_attempt, ray_rows
from offline_training.words.features.extract_scenes import SceneOutcome, extract_scenes
from offline_training.words.features.extraction_parts import (
    BASIS_SCENES,
    OpenModel,
    keep_components,
    open_model,
    open_sources,
    open_store,
    scenes_at,
)
from offline_training.words.features.feature_report import FeatureReport
from offline_training.words.settings.vlg_config import VlgConfig

_THREADS_PER_WORKER = 2  # one CPU of the cluster each: one thread reads while the other runs the model


def ray_features(
    config: VlgConfig,
    samples: Sequence[int],
    open_model: OpenModel = open_model,
    on_progress: Callable[[], object] = lambda: None,
) -> FeatureReport:
    """Extract what the store lacks, with `config.extract.ray_workers` workers.

    samples: the number of samples of each data set, training first. Raises EngineUnavailable without Ray or if workers
    keep dying, else what a local run raises.
    """
    model = open_model(config)
    store, channels = open_store(config, model), model.channels
    del model  # the workers have their own
    places = [(source, sample) for source, count in enumerate(samples) for sample in range(count)]
    outcomes: dict[tuple[int, int], SceneOutcome] = {}
    with store.writing(), attempts_folder(store.folder.parent):
        store.announce()
        extract = config.extract
        for row in ray_rows(
            _Worker, (config, open_model), samples, extract.ray_workers, 1, extract.ray_gpus_per_worker
        ):
            place, outcome = _outcome(row)
            outcomes[place] = outcome
            on_progress()
            if all(each in outcomes for each in places[:BASIS_SCENES]) and store.basis is None:
                keep_components(_report(store, channels, outcomes, places[:BASIS_SCENES]), config)
        report = _report(store, channels, outcomes, places)
        keep_components(report, config)
    with store.writing():  # removes files that killed workers left half written
        return report


def _report(store: Any, channels: int, outcomes: dict, places: Sequence[tuple[int, int]]) -> FeatureReport:  # noqa: ANN401
    """The report in the order of the data sets, whichever worker finished first."""
    report = FeatureReport(store, channels)
    for place in places:
        report.add(outcomes[place])
    return report


def _outcome(row: dict[str, Any]) -> tuple[tuple[int, int], SceneOutcome]:
    """The outcome in a row of _Worker's columns; raises the error that stopped the worker."""
    if row["error"]:
        raise getattr(errors, row["error"])(row["outcome"])
    return (int(row["source"]), int(row["sample"])), SceneOutcome(**json.loads(row["outcome"]))


class _Worker:
    """One process of the cluster; opens everything at its first task, so that a failure there reaches the user."""

    def __init__(self, config: VlgConfig, open_model: OpenModel) -> None:
        self._config, self._open_model = config, open_model

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Scenes -> their outcomes, as columns; our own errors are returned as rows, because Ray keeps only an error's text."""
        places = list(zip(batch["source"].tolist(), batch["sample"].tolist(), strict=True))
        try:
            outcomes = [json.dumps(asdict(outcome)) for outcome in self._extract(places)]
            error = ""
        except LidarVlError as stopped:
            places, outcomes, error = places[:1], [str(stopped)], type(stopped).__name__
        return {
            "error": np.array([error] * len(places), dtype=object),
            "source": np.array([source for source, _ in places], np.int64),
            "sample": np.array([sample for _, sample in places], np.int64),
            "outcome": np.array(outcomes, dtype=object),
        }

    def _extract(self, places: list[tuple[int, int]]) -> list[SceneOutcome]:
        datasets, model, store = self._opened
        attempts = count_attempt(store.folder.parent, places)
        samples = scenes_at(datasets, places)
        outcomes = list(extract_scenes(samples, model, store, self._config.extract, _THREADS_PER_WORKER))
        attempts.unlink()
        return outcomes

    @cached_property
    def _opened(self) -> tuple[Any, ...]:
        model = self._open_model(self._config)
        return open_sources(self._config), model, open_store(self._config, model)
