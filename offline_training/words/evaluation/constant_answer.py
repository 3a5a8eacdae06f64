"""The answer of guidance that has learned nothing: the best single vector for all points. Reads features."""

import numpy as np

from lidar_vl_core.words.text_table import TextTable, unit_rows
from offline_training.datasets.base.sample import Sample
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import target_features
from offline_training.words.settings.question import Answer
from offline_training.words.settings.training_samples import all_samples, opened
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.class_choice import choose_classes, class_scores


def constant_answer(config: VlgConfig, table: TextTable) -> Answer:
    """The class of best_constant() for every point. Raises BadDataset if a training scene's features are missing."""
    scores = class_scores(best_constant(config, target_features(config))[None], table)
    everything = np.ones((1, int((~table.is_sink).sum())), bool)
    class_id, _ = choose_classes(scores, table.is_sink, everything, table.logit_scale)

    def answer(sample: Sample) -> np.ndarray:
        return np.full(len(sample.cloud), class_id[0])

    return answer


def best_constant(config: VlgConfig, targets: FeatureStore) -> np.ndarray:
    """(C,) unit vector with the lowest cosine loss to all features of the training scenes, weighted by points: their mean direction."""
    total: np.ndarray | float = 0.0
    for sample in all_samples(opened(config, config.train)):
        seen = targets.read(sample.name)
        points = np.bincount(seen.row_of_point[seen.visible], minlength=len(seen.feature))
        total = total + points @ unit_rows(seen.feature.astype(np.float32))
    return unit_rows(np.asarray(total, np.float32)[None])[0]
