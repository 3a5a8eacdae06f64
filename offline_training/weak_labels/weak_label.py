"""The command `weak-label`: labels every image of some data sets, with statistics and a preview."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadBag, BadDataset, BadImage, BadLabels, LidarVlError
from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.runs.stopping import StopSignals
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.job_parts import (
    all_views,
    open_labeler,
    open_sources,
    open_store,
    open_superpixels,
    require_images,
    views_or_error,
)
from offline_training.weak_labels.label_views import LabelReport, label_views
from offline_training.weak_labels.preview import contact_sheet, sheet_row
from offline_training.weak_labels.store.label_store import LabelStore

_NAMED_FAILURES = 5  # named in the error; statistics.json lists all


def weak_label(config: WeakLabelConfig) -> LabelReport:
    """Make what `config.out` lacks; writes statistics.json and preview.png beside the labels.

    Raises RunStopped after Ctrl-C or SIGTERM, with finished images kept; BadDataset at the end if some images failed:
    the others are finished by then.
    """
    from tqdm import tqdm

    datasets = open_sources(config)
    require_images(config.source, datasets)
    total = sum(len(dataset) * len(views_or_error(dataset, 0)) for dataset in datasets)
    with (
        tqdm(
            total=total, desc="weak labels", unit="image", disable=not (config.progress and sys.stderr.isatty())
        ) as bar,
        StopSignals() as stop,
    ):
        report = _ENGINES[config.engine](config, datasets, stop.after_each(bar.update, total, "images"))
    out = Path(config.out)
    write_text(out / "statistics.json", json.dumps(_statistics(report, config), indent=1) + "\n")
    if report.made or not (out / "preview.png").exists():
        _write_preview(config, datasets)
    if report.failed:
        named = "; ".join(failure.rstrip(".") for failure in report.failed[:_NAMED_FAILURES])
        raise BadDataset(
            f"{len(report.failed)} images failed, {report.made + report.present} have labels: {named}. Repair these and run the command again: it resumes from here."
        )
    return report


def report_lines(report: LabelReport, config: WeakLabelConfig) -> list[str]:
    """The report for a terminal: counts, then the share of each class."""
    lines = [f"images: {report.made} labelled, {report.present} already there, {report.repeated} duplicates"]
    shares = _shares(report, config)
    return lines + [f"{share:8.2%}  {name}" for name, share in sorted(shares.items(), key=lambda item: -item[1])]


def _local(config: WeakLabelConfig, datasets: Sequence[SampleSource], on_progress: Callable[[], object]) -> LabelReport:
    labeler, superpixels = open_labeler(config), open_superpixels(config)
    store = open_store(config, labeler, superpixels)
    threads = config.threads or machine_cores()
    return label_views(all_views(datasets), labeler, store, superpixels, config.batch_size, threads, on_progress)


def _ray(config: WeakLabelConfig, datasets: Sequence[SampleSource], on_progress: Callable[[], object]) -> LabelReport:
    from offline_training.weak_labels.ray_engine import ray_engine

    return ray_engine(config, [len(dataset) for dataset in datasets], on_progress)


# Each engine opens labeler, superpixels and store itself, on the machine that does the work.
_ENGINES: dict[str, Callable[[WeakLabelConfig, Sequence[SampleSource], Callable[[], object]], LabelReport]] = {
    "local": _local,
    "ray": _ray,
}


def _shares(report: LabelReport, config: WeakLabelConfig) -> dict[str, float]:
    """Share of the pixels by class, and of pixels without one; empty if no labels were requested."""
    if config.labeler is None:
        return {}
    names = load_ontology(config.ontology).names
    pixels = dict(zip(names, report.class_pixels[: len(names)].tolist(), strict=True))
    pixels["(uncovered)"] = int(report.class_pixels[IGNORE_ID])
    total = max(int(np.sum(report.class_pixels)), 1)
    return {name: count / total for name, count in pixels.items()}


def _statistics(report: LabelReport, config: WeakLabelConfig) -> dict[str, object]:
    return {
        "made": report.made,
        "present": report.present,
        "repeated": report.repeated,
        "failed": report.failed,
        "share_of_pixels": _shares(report, config),
    }


def _write_preview(config: WeakLabelConfig, datasets: list[SampleSource]) -> None:
    """Images spread evenly over all samples, with cameras alternating."""
    samples = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    count = min(config.preview_pictures, len(samples))
    chosen = [samples[k * len(samples) // count] for k in range(count)]
    views = [views[k % len(views)] for k, place in enumerate(chosen) if (views := views_or_error(*place))]
    classes = None if config.labeler is None else load_ontology(config.ontology).class_table
    store, rows = LabelStore(Path(config.out)), []
    for view in views:
        if isinstance(view, LidarVlError):
            continue  # listed among the failed ones
        with suppress(BadBag, BadDataset, BadImage, BadLabels):  # such an image is listed among the failed ones
            rows.append(sheet_row(view, store, classes, config.superpixels != "none"))
    if rows:
        write_bytes(Path(config.out) / "preview.png", contact_sheet(rows, classes))
