"""The engine for fleets: the local engine's work, spread over a Ray cluster as a Ray Data job. Touches the network.

Every worker opens the data sets, the labeler and the store by the configuration's paths, which must be the same on all
machines (shared storage). Ray Data restarts a worker that dies and repeats its samples: what it had written counts as
present and half-written files do not exist, so the store ends with the same bytes as after a local run.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation import errors
from lidar_vl_core.foundation.errors import LidarVlError
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.job_parts import (
    open_labeler,
    open_sources,
    open_store,
    open_superpixels,
    views_or_error,
)
from offline_training.weak_labels.label_views import LabelledPicture, LabelReport, labelled_pictures
from offline_training.weak_labels.pictures.weak_labeler import LabelReader, WeakLabeler
from offline_training.weak_labels.ray_job import attempts_folder, count_attempt, ray_rows
from offline_training.weak_labels.store.store_section import locked

_OpenLabeler = Callable[[WeakLabelConfig], WeakLabeler | LabelReader | None]


def ray_engine(
    config: WeakLabelConfig,
    samples: Sequence[int],
    on_progress: Callable[[], object] = lambda: None,
    open_labeler: _OpenLabeler = open_labeler,
) -> LabelReport:
    """Make what the store lacks, with `config.ray_workers` workers.

    samples: the number of samples of each configured data set. Connects to the cluster of RAY_ADDRESS, else starts
    one on this machine. Raises EngineUnavailable without Ray or if workers keep dying, else what a local run raises.
    """
    report, met = LabelReport(), set[str]()
    out = Path(config.out)
    with locked(out), attempts_folder(out):
        arguments = config, open_labeler
        for row in ray_rows(
            _Worker, arguments, samples, config.ray_workers, config.ray_cpus_per_worker, config.ray_gpus_per_worker
        ):
            _count(_picture(row), report, met)
            on_progress()
    with locked(out):  # removes files that killed workers left half written
        report.failed.sort()
    return report


def _count(picture: LabelledPicture, report: LabelReport, met: set[str]) -> None:
    """Count each image once, however many workers processed it."""
    if picture.sha256 in met and not picture.failure:
        report.repeated += 1
    else:
        picture.count_into(report)
    if not (picture.failure or picture.repeated):  # within a task a duplicate may come before its original
        met.add(picture.sha256)


def _picture(row: dict[str, Any]) -> LabelledPicture:
    """The outcome in a row of _Worker's columns; raises the error that stopped the worker."""
    if row["error"]:
        raise getattr(errors, row["error"])(row["failure"])
    return LabelledPicture(
        row["sha256"], row["made"], row["repeated"], row["failure"], np.asarray(row["class_pixels"], np.int64)
    )


class _Worker:
    """One process of the cluster; opens everything at its first task, so that a failure there reaches the user."""

    def __init__(self, config: WeakLabelConfig, open_labeler: _OpenLabeler) -> None:
        self._config, self._open_labeler = config, open_labeler

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Samples -> outcomes of their views, as columns; our own errors become rows, because Ray keeps only an error's text."""
        samples = list(zip(batch["source"].tolist(), batch["sample"].tolist(), strict=True))
        try:
            return _columns(self._label(samples), "")
        except LidarVlError as error:
            stopped = LabelledPicture("", False, False, str(error), np.zeros(256, np.int64))
            return _columns([stopped], type(error).__name__)

    def _label(self, samples: list[tuple[int, int]]) -> list[LabelledPicture]:
        datasets, labeler, store, superpixels = self._opened
        attempts = count_attempt(Path(self._config.out), samples)
        views = (view for source, sample in samples for view in views_or_error(datasets[source], sample))
        threads = self._config.threads or self._config.ray_cpus_per_worker
        pictures = list(labelled_pictures(views, labeler, store, superpixels, self._config.batch_size, threads))
        attempts.unlink()
        return pictures

    @cached_property
    def _opened(self) -> tuple[Any, ...]:
        datasets = open_sources(self._config)
        labeler, superpixels = self._open_labeler(self._config), open_superpixels(self._config)
        store = open_store(self._config, labeler, superpixels)
        store.announce()
        return datasets, labeler, store, superpixels


def _columns(pictures: Sequence[LabelledPicture], error: str) -> dict[str, Any]:
    return {
        "error": np.array([error] * len(pictures), dtype=object),
        "sha256": np.array([each.sha256 for each in pictures], dtype=object),
        "made": np.array([each.made for each in pictures], bool),
        "repeated": np.array([each.repeated for each in pictures], bool),
        "failure": np.array([each.failure for each in pictures], dtype=object),
        "class_pixels": np.array([each.class_pixels for each in pictures], np.int64).reshape(-1, 256),
    }
