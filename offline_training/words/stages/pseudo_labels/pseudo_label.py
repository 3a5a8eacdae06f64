"""Stage 1 of 3DSS-VLG: a class for every point from its averaged image features and the list of classes present."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.model_packages.language_spec import TEXT_TABLE
from lidar_vl_core.words.text_table import TextTable, require_width
from lidar_vl_core.words.text_table_file import write_text_table
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.runs.stopping import StopSignals
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features, require_features_of
from offline_training.words.features.run_text import embedded_words
from offline_training.words.settings.training_samples import opened, speaks_of_truth
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.class_choice import scale_of_logits
from offline_training.words.stages.pseudo_labels.class_lists import ClassLists
from offline_training.words.stages.pseudo_labels.label_quality import LabelQuality
from offline_training.words.stages.pseudo_labels.labelling import Labelling, featured_scenes, true_labels
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER, PseudoLabels, PseudoLabelStore
from offline_training.words.stages.pseudo_labels.refinement import SureLabels, refined


def pseudo_label(config: VlgConfig) -> Path:
    """Label the points of all training scenes; returns their folder, with statistics.json. Existing labels are kept.

    Needs the features of `lidar-vl-train extract-features`. Points without a feature get 255. Raises RunStopped after
    Ctrl-C or SIGTERM, with finished scenes kept; BadDataset, BadLabels, BadConfig.
    """
    features = open_features(config)
    lists = ClassLists(config)
    table = embedded_words(config, config.words)
    require_features_of(features, table)
    labels = PseudoLabelStore(Path(config.out) / FOLDER)
    quality = LabelQuality(table.class_table.names)
    names: list[str] = []
    labelling = sure = None
    datasets = opened(config, config.train)
    total = sum(len(dataset) for dataset in datasets)
    with StopSignals() as stop:
        for sample, seen in featured_scenes(datasets, features):
            require_width(seen.feature, table)
            if labelling is None or sure is None:
                scale = scale_of_logits(config.specialise.logit_scale, seen.feature, table.logit_scale)
                labels.begin(_settings(config, features, table, scale))
                write_text_table(
                    Path(config.out) / TEXT_TABLE, table
                )  # not earlier: a refused folder keeps its text table
                labelling = Labelling(table, lists, scale)
                scenes = partial(_all_labels, labelling, datasets, features, stop)
                sure = SureLabels(config.pseudo.keep_fraction, config.pseudo.class_quantile, len(table.names), scenes)
            lists.allowed(sample, seen)  # also counts scenes that already have labels
            if not labels.has(sample.name, seen.points_sha256):
                if config.pseudo.labels == "truth":
                    found = true_labels(sample, seen, config)
                else:
                    found = refined(sample, seen.visible, sure.of(labelling.of_scene(sample, seen)), config)
                labels.write(sample.name, replace(found, points_sha256=seen.points_sha256))
            names.append(sample.name)
            truth = sample.class_id if speaks_of_truth(config) else None
            quality.add(sample.name, labels.read(sample.name).class_id, seen.visible, truth)
            stop.end_if_asked(f"stopped after {len(names)} of {total} scenes")
    lists.write_derived(labels.folder / "scene_lists.json")
    quality.write(labels.folder / "statistics.json")
    labels.finish(names)
    return labels.folder


def _all_labels(
    labelling: Labelling, datasets: list[SampleSource], features: FeatureStore, stop: StopSignals
) -> Iterator[PseudoLabels]:
    """The labels of every scene before refinement."""
    for sample, seen in featured_scenes(datasets, features):
        yield labelling.of_scene(sample, seen)
        stop.end_if_asked("stopped while computing the class thresholds")


def _settings(config: VlgConfig, features: FeatureStore, table: TextTable, scale: float) -> dict[str, Any]:
    """Everything that determines the pseudo labels, and the scale that stage 2 uses."""
    settings = {
        "pseudo": config.pseudo.model_dump(mode="json"),
        "features": dict(features.identity),
        "words": hashlib.sha256(config.words.model_dump_json().encode()).hexdigest(),
        "text_space": table.text_space,
        "logit_scale": scale,
    }
    if config.pseudo.lists_file is not None:
        settings["lists_sha256"] = sha256_of(Path(config.pseudo.lists_file))
    return settings
