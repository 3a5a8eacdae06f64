"""The command `extract-features`: image features for every scene of a run, with statistics and a preview."""

import json
import sys
import time
from collections.abc import Callable, Sequence

from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.runs.stopping import StopSignals
from offline_training.words.features.extract_scenes import extract_scenes
from offline_training.words.features.extraction_parts import (
    BASIS_SCENES,
    OpenModel,
    keep_components,
    open_model,
    open_sources,
    open_store,
    scenes_at,
)
from offline_training.words.features.feature_preview import feature_preview
from offline_training.words.features.feature_report import FeatureReport
from offline_training.words.settings.vlg_config import VlgConfig

_NAMED = 5  # failures named in the error; statistics.json lists all


def extract_features(config: VlgConfig, open_model: OpenModel = open_model) -> FeatureReport:
    """Extract the features that the store lacks for the scenes of config.train and config.validation.

    Writes statistics.json and preview.png beside the features. Raises RunStopped after Ctrl-C or SIGTERM, with finished
    scenes kept; BadDataset at the end if some scenes failed: the others are finished by then, and another run resumes
    from there.
    """
    from tqdm import tqdm

    datasets = open_sources(config)
    total = sum(len(dataset) for dataset in datasets)
    show = config.progress and sys.stderr.isatty()
    with tqdm(total=total, desc="image features", unit="scene", disable=not show) as bar, StopSignals() as stop:
        started = time.perf_counter()
        report = _ENGINES[config.extract.engine](
            config, datasets, open_model, stop.after_each(bar.update, total, "scenes")
        )
        report.seconds = time.perf_counter() - started
    folder = report.store.folder
    write_text(folder / "statistics.json", json.dumps(report.statistics(), indent=1) + "\n")
    if any(each.made for each in report.scenes.values()) or not (folder / "preview.png").exists():
        samples = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
        preview = feature_preview(samples, report.store)
        if preview is not None:
            write_bytes(folder / "preview.png", preview)
    if report.failed:
        raise BadDataset(
            f"{len(report.failed)} scenes failed, {len(report.scenes)} have features: "
            f"{'; '.join(report.failed[:_NAMED])}. Repair these and run the command again: it resumes from here."
        )
    return report


def _local(
    config: VlgConfig, datasets: Sequence[SampleSource], open_model: OpenModel, on_progress: Callable[[], object]
) -> FeatureReport:
    from offline_training.runs.device import torch_set_up

    with torch_set_up(config.threads):
        model = open_model(config)
        store = open_store(config, model)
        report = FeatureReport(store, model.channels)
        places = [(source, sample) for source, dataset in enumerate(datasets) for sample in range(len(dataset))]
        with store.writing():
            store.announce()
            samples = scenes_at(datasets, places)
            for done, outcome in enumerate(extract_scenes(samples, model, store, config.extract, machine_cores())):
                report.add(outcome)
                on_progress()
                if done + 1 == BASIS_SCENES:
                    keep_components(report, config)
            keep_components(report, config)
    return report


def _ray(
    config: VlgConfig, datasets: Sequence[SampleSource], open_model: OpenModel, on_progress: Callable[[], object]
) -> FeatureReport:
    from offline_training.words.features.ray_features import ray_features

    return ray_features(config, [len(dataset) for dataset in datasets], open_model, on_progress)


# Each engine opens model and store itself, on the machine that does the work.
_ENGINES: dict[str, Callable[[VlgConfig, Sequence[SampleSource], OpenModel, Callable[[], object]], FeatureReport]] = {
    "local": _local,
    "ray": _ray,
}
