"""A class for every point of the scenes of a run, before refinement removes any."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.words.text_table import TextTable
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_text import read_run_text
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.training_samples import all_samples, require_truth_in_words
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.class_choice import choose_classes, class_scores
from offline_training.words.stages.pseudo_labels.class_lists import ClassLists
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER, PseudoLabels, PseudoLabelStore


class Labelling:
    """The words, class lists and scale that determine a scene's labels."""

    def __init__(self, table: TextTable, lists: ClassLists, logit_scale: float) -> None:
        self._table, self._lists, self._scale = table, lists, logit_scale

    def of_scene(self, sample: Sample, seen: SceneFeatures) -> PseudoLabels:
        """The best class of each point among those its scene's list allows; 255 for points that no view sees."""
        scores, allowed = class_scores(seen.feature, self._table), self._lists.allowed(sample, seen)
        row_class, row_probability = choose_classes(scores, self._table.is_sink, allowed, self._scale)
        class_id = np.append(row_class, np.uint8(IGNORE_ID))[seen.row_of_point]  # row -1 reads the last
        return PseudoLabels(class_id, np.append(row_probability, np.float16(0.0))[seen.row_of_point])


def true_labels(sample: Sample, features: SceneFeatures, config: VlgConfig) -> PseudoLabels:
    """The true class of every point of a scene seen by a view. Raises BadConfig without truth."""
    require_truth_in_words(config)
    if sample.class_id is None:
        raise BadConfig(
            f"scene {sample.name}: expected truth for pseudo.labels=truth, found none. Use pseudo.labels=words."
        )
    class_id = np.where(features.visible, sample.class_id, np.uint8(IGNORE_ID))
    return PseudoLabels(class_id, (class_id != IGNORE_ID).astype(np.float16))


def labelling_of(config: VlgConfig) -> Labelling:
    """The labelling that produced a run's existing labels. Raises BadLabels if there are none."""
    logit_scale = PseudoLabelStore(Path(config.out) / FOLDER).logit_scale()
    return Labelling(read_run_text(config), ClassLists(config), logit_scale)


def featured_scenes(datasets: Iterable[SampleSource], features: FeatureStore) -> Iterator[tuple[Sample, SceneFeatures]]:
    """Iterate over all scenes with their image features.

    Raises BadDataset if some are missing, or belong to another scene.
    """
    for sample in all_samples(datasets):
        seen = features.read(sample.name)
        seen.require_fits(sample)
        yield sample, seen
