"""Rounds of self-training: the network's answers on the training scenes become the next pseudo labels.

3DSS-VLG has one round; DBGroup (AAAI 2026) reports gains from three, with a network trained on the labels themselves.
Our reading for embeddings: a round labels the scenes again under the same class lists and keeps the most confident
share of each class, or what reaches the class's threshold; with `update: fill`, labels of the previous round stay and
answers label the other points, as arXiv 2510.17875 spreads labels to unlabelled areas (only its abstract was available
to us); then stages 2 and 3 run unchanged, so that the adapter learns the labels and the vocabulary stays open. Each
round has a folder <out>/round_<n> like a run of its own; the image features are those of the run.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.model_packages.language_spec import TEXT_TABLE
from lidar_vl_core.words.text_table import TextTable, unit_rows
from lidar_vl_core.words.text_table_file import write_text_table
from offline_training.datasets.base.sample import Sample
from offline_training.networks.adapter import TextAdapter
from offline_training.words.features.run_features import open_features
from offline_training.words.features.run_text import read_run_text
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.training_samples import opened, scan_of, speaks_of_truth
from offline_training.words.settings.vlg_config import SelfTrainingConfig, VlgConfig
from offline_training.words.stages.adapter.specialise import load_adapter, specialise, specialised_features
from offline_training.words.stages.guidance.inference import LanguageNetwork, load_language_network, row_embeddings
from offline_training.words.stages.pseudo_labels.class_choice import choose_classes, class_scores
from offline_training.words.stages.pseudo_labels.class_lists import ClassLists
from offline_training.words.stages.pseudo_labels.label_quality import LabelQuality
from offline_training.words.stages.pseudo_labels.labelling import featured_scenes
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER as LABELS
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from offline_training.words.stages.pseudo_labels.refinement import SureLabels, filled, refined


def prepared_round(config: VlgConfig, number: int, checkpoint: Path) -> VlgConfig:
    """Label the training scenes with the checkpoint of the previous round and run stage 2 in out/round_<number>.

    Returns the configuration for training the round. Raises BadConfig without stage 2, the only way labels reach the
    network; and what the stages raise.
    """
    if not config.specialise.enabled:
        raise BadConfig(
            "self_training.rounds: expected specialise.enabled=true, found false: only the adapter learns the labels. "
            "Enable it, or set rounds to 0."
        )
    before = config if number == 1 else round_configuration(config, number - 1)
    after = round_configuration(config, number)
    write_text_table(Path(after.out) / TEXT_TABLE, read_run_text(config))
    _label(config, before, after, checkpoint)
    specialise(after)
    return after


def round_configuration(config: VlgConfig, number: int) -> VlgConfig:
    """The configuration of a round: its own folder, the run's image features, no further rounds."""
    return config.model_copy(
        update={
            "out": str(Path(config.out) / f"round_{number}"),
            "extract": config.extract.model_copy(update={"store": str(config.features_folder)}),
            "self_training": SelfTrainingConfig(),
        }
    )


def _label(config: VlgConfig, before: VlgConfig, after: VlgConfig, checkpoint: Path) -> None:
    """Write the pseudo labels of a round, from the network and the adapter of the previous one."""
    table, lists, features = read_run_text(config), ClassLists(config), open_features(config)
    network, adapter = load_language_network(checkpoint), load_adapter(before)
    labels, quality = PseudoLabelStore(Path(after.out) / LABELS), LabelQuality(table.class_table.names)
    labels.begin(
        {
            "self_training": config.self_training.model_dump(mode="json", exclude={"rounds"}),
            "pseudo": config.pseudo.model_dump(mode="json"),
            "checkpoint_sha256": sha256_of(checkpoint),
            "logit_scale": PseudoLabelStore(Path(before.out) / LABELS).logit_scale(),
        }
    )
    own, names = config.self_training, []
    answers = partial(_answers, config, table, network, lists, adapter)
    scenes = partial(featured_scenes, opened(config, config.train), features)
    sure = SureLabels(
        own.keep_fraction,
        own.class_quantile,
        len(table.names),
        lambda: (answers(sample, seen) for sample, seen in scenes()),
    )
    earlier = PseudoLabelStore(Path(before.out) / LABELS)
    for sample, seen in scenes():
        if not labels.has(sample.name, seen.points_sha256):
            new = refined(sample, seen.visible, sure.of(answers(sample, seen)), config)
            new = filled(earlier.read(sample.name), new) if own.update == "fill" else new
            labels.write(sample.name, replace(new, points_sha256=seen.points_sha256))
        names.append(sample.name)
        truth = sample.class_id if speaks_of_truth(config) else None
        quality.add(sample.name, labels.read(sample.name).class_id, seen.visible, truth)
    quality.write(labels.folder / "statistics.json")
    labels.finish(names)


def _answers(
    config: VlgConfig,
    table: TextTable,
    network: LanguageNetwork,
    lists: ClassLists,
    adapter: TextAdapter,
    sample: Sample,
    seen: SceneFeatures,
) -> PseudoLabels:
    """The answers of a scene's visible points under its class lists."""
    rows, row_of_point = row_embeddings(*network, scan_of(sample, config))
    scores = _of_points(class_scores(unit_rows(rows), table), row_of_point)
    if config.self_training.mode == "ensemble":
        specialised = unit_rows(specialised_features(adapter, seen.feature))
        of_image = _of_points(class_scores(specialised, table), seen.row_of_point)
        surer = ~(_best(scores) >= _best(of_image))[:, None]
        scores = np.where(surer, of_image, scores)
    allowed = lists.allowed(sample, seen)
    of_point = allowed if len(allowed) == 1 else _of_points(allowed, seen.row_of_point, False)
    class_id, probability = choose_classes(scores, table.is_sink, of_point, table.logit_scale)
    class_id = np.where(seen.visible, class_id, np.uint8(IGNORE_ID))  # the adapter learns from these only
    return PseudoLabels(class_id, probability)


def _of_points(values: np.ndarray, row_of_point: np.ndarray, nothing: float | bool = np.nan) -> np.ndarray:
    """(N, K) values of each point's row; `nothing` for row -1."""
    return np.concatenate([values, np.full((1, values.shape[1]), nothing, values.dtype)])[row_of_point]


def _best(scores: np.ndarray) -> np.ndarray:
    """(N,) highest cosine of each point, -inf without an answer."""
    return np.nan_to_num(scores.max(axis=1), nan=-np.inf)
