"""Stage 1 of 3DSS-VLG: a class for every point from its averaged image features and the list of classes present."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.model_packages.language_spec import TEXT_TABLE
from lidar_vl_core.words.text_table import TextTable, require_width
from lidar_vl_core.words.text_table_file import write_text_table
from offline_training.datasets.base.sample import Sample
from offline_training.runs.stopping import StopSignals
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features, require_features_of
from offline_training.words.features.run_text import embedded_words
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.training_samples import (
    all_samples,
    opened,
    require_truth_in_words,
    speaks_of_truth,
)
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.class_choice import (
    choose_classes,
    class_scores,
    keep_surest,
    scale_of_logits,
)
from offline_training.words.stages.pseudo_labels.label_quality import LabelQuality
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER, PseudoLabels, PseudoLabelStore
from offline_training.words.stages.pseudo_labels.scene_lists import (
    SceneList,
    allowed_classes,
    derived_frame_lists,
    derived_scene_list,
    read_class_lists,
    require_known_classes,
    write_derived_lists,
)
from offline_training.words.stages.pseudo_labels.segment_majority import segment_majority


def pseudo_label(config: VlgConfig) -> Path:
    """Label the points of all training scenes; returns their folder, with statistics.json. What is there is not made anew.

    Needs the features of `lidar-vl-train extract-features`. Points without a feature get 255. Raises RunStopped when
    Ctrl-C or a SIGTERM ended it, with what is done kept; BadDataset, BadLabels, BadConfig.
    """
    features = open_features(config)
    lists = ClassLists(config)
    table = embedded_words(config, config.words)
    require_features_of(features, table)
    labels = PseudoLabelStore(Path(config.out) / FOLDER)
    quality = LabelQuality(table.class_table.names)
    names, scale = [], None
    datasets = opened(config, config.train)
    total = sum(len(dataset) for dataset in datasets)
    with StopSignals() as stop:
        for sample in all_samples(datasets):
            seen = features.read(sample.name)
            seen.require_fits(sample)
            require_width(seen.feature, table)
            if scale is None:
                scale = scale_of_logits(config.specialise.logit_scale, seen.feature, table.logit_scale)
                labels.begin(_settings(config, features, table, scale))
                write_text_table(Path(config.out) / TEXT_TABLE, table)  # not before: a refused folder keeps its words
            allowed = lists.allowed(sample, seen)
            if not labels.has(sample.name):
                labels.write(sample.name, label_scene(sample, seen, table, allowed, scale, config))
            names.append(sample.name)
            truth = sample.class_id if speaks_of_truth(config) else None
            quality.add(labels.read(sample.name).class_id, seen.visible, truth)
            stop.end_if_asked(f"stopped after {len(names)} of {total} scenes")
    lists.write_derived(labels.folder / "scene_lists.json")
    quality.write(labels.folder / "statistics.json")
    labels.finish(names)
    return labels.folder


def label_scene(
    sample: Sample, features: SceneFeatures, table: TextTable, allowed: np.ndarray, scale: float, config: VlgConfig
) -> PseudoLabels:
    """The pseudo labels of one scene. allowed: (1 or V, K') bool, as allowed_classes() gives it."""
    row_class, row_probability = choose_classes(class_scores(features.feature, table), table.is_sink, allowed, scale)
    row = features.row_of_point
    class_id = np.append(row_class, np.uint8(IGNORE_ID))[row]  # the row -1 reads the last
    probability = np.append(row_probability, np.float16(0.0))[row]
    return refined(sample, features, PseudoLabels(class_id, probability), config, config.pseudo.keep_fraction)


def refined(
    sample: Sample, features: SceneFeatures, labels: PseudoLabels, config: VlgConfig, keep_fraction: float
) -> PseudoLabels:
    """Labels thinned to the surest of each class, then one class per segment, as configured; in the order of DBGroup."""
    class_id = keep_surest(labels.class_id, labels.probability, keep_fraction)
    if config.pseudo.spread != "none":
        class_id = segment_majority(sample, class_id, config, len(config.words.class_table))
        class_id = np.where(features.visible, class_id, np.uint8(IGNORE_ID))
    return PseudoLabels(class_id, np.where(class_id == IGNORE_ID, np.float16(0.0), labels.probability))


class ClassLists:
    """The class lists of a run: of its file, derived from truth, or none."""

    def __init__(self, config: VlgConfig) -> None:
        self._kind, self._names = config.pseudo.lists, config.words.class_table.names
        path = config.pseudo.lists_file
        self._given = None if path is None else read_class_lists(Path(path))
        if self._given is not None:
            require_known_classes(self._given, self._names)
        self._derived: dict[str, SceneList] = {}
        if self._kind != "none" and self._given is None:
            require_truth_in_words(config)

    def allowed(self, sample: Sample, features: SceneFeatures) -> np.ndarray:
        """(1 or V, K') bool: which classes the rows of a scene may get."""
        if self._kind == "none":
            return np.ones((1, len(self._names)), bool)
        listed = self._derive(sample, features) if self._given is None else self._given.get(sample.name)
        if listed is not None and isinstance(listed, dict) != (self._kind == "frame"):
            raise BadConfig(
                f"scene {sample.name}: expected a list of the kind pseudo.lists={self._kind}, found the other kind in "
                "pseudo.lists_file. Correct one of them."
            )
        return allowed_classes(sample.name, listed, self._names, features)

    def write_derived(self, path: Path) -> None:
        """Write what was derived from truth, if anything was."""
        if self._derived:
            write_derived_lists(path, self._derived)

    def _derive(self, sample: Sample, features: SceneFeatures) -> SceneList:
        if sample.class_id is None:
            raise BadConfig(
                f"scene {sample.name}: expected truth to derive its class list from, found none. "
                "Give pseudo.lists_file, or pseudo.lists=none."
            )
        listed: SceneList = (
            derived_scene_list(sample.class_id, self._names)
            if self._kind == "scene"
            else derived_frame_lists(sample.class_id, self._names, features)
        )
        self._derived[sample.name] = listed
        return listed


def _settings(config: VlgConfig, features: FeatureStore, table: TextTable, scale: float) -> dict[str, Any]:
    """All that decides over the pseudo labels, and the scale that stage 2 goes on with."""
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
