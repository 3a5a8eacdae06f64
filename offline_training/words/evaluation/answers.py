"""Answers a question about scenes with a 3D network, averaged image features or both, against the words of a vocabulary."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadRequest
from lidar_vl_core.voxels.features import COLOUR_FEATURES
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary
from lidar_vl_core.words.vocabulary_table import select
from offline_training.datasets.base.sample import Sample
from offline_training.words.evaluation.coloured_sweep import coloured_sweep
from offline_training.words.evaluation.constant_answer import constant_answer
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.question import Answer, Question, class_ids_of_truth
from offline_training.words.settings.vlg_config import VlgConfig

if TYPE_CHECKING:
    from offline_training.words.stages.guidance.inference import PointAnswers


@dataclasses.dataclass
class PictureShare:
    """Counts how many points were answered by image features."""

    answered: int = 0
    of_pictures: int = 0

    def add(self, answers: "PointAnswers") -> None:
        """Add the answered points of one scene."""
        self.answered += int((answers.class_id != IGNORE_ID).sum())
        self.of_pictures += int(answers.of_pictures.sum())


def scene_answers(
    config: VlgConfig, checkpoint: Path | None, question: Question, counted: PictureShare | None = None
) -> Answer:
    """Return the function that gives every point of a scene a class of the question's vocabulary.

    counted: collects how many answers came from image features. Raises BadRequest if a mode lacks its network,
    BadCheckpoint, and BadDataset if image features are missing.
    """
    from offline_training.words.stages.guidance.inference import load_language_network, predict_scene

    if question.mode != "2d" and checkpoint is None:
        raise BadRequest(
            f"mode {question.mode}: expected the checkpoint of a 3D network, found none. Add CHECKPOINT to the command."
        )
    vocabulary = question.vocabulary or config.words
    network = None if question.mode == "2d" or checkpoint is None else load_language_network(checkpoint)
    table = _embedded(config, None if network is None else checkpoint, vocabulary)
    if question.constant:
        return constant_answer(config, table)
    features_of = _no_features if question.mode == "3d" else _features_of(config, table, question.specialised)
    class_of_truth = class_ids_of_truth(config.class_table, vocabulary.class_table, question.truth_as)

    needs_colours = network is not None and not set(COLOUR_FEATURES).isdisjoint(network[1].features)

    def answer(sample: Sample) -> np.ndarray:
        if needs_colours and sample.views:
            sample = coloured_sweep(sample)
        asked, class_ids = table, np.arange(256, dtype=np.uint8)
        if question.oracle_lists and sample.class_id is not None:
            asked, class_ids = restricted(table, vocabulary, class_of_truth[sample.class_id])
        answers = predict_scene(question.mode, sample, asked, network, features_of(sample))
        if counted is not None:
            counted.add(answers)
        return class_ids[answers.class_id]

    return answer


def restricted(table: TextTable, vocabulary: Vocabulary, truth: np.ndarray) -> tuple[TextTable, np.ndarray]:
    """The table restricted to the classes present in a scene (and the sinks), and their ids in the full table, (256,) uint8."""
    present = set(np.unique(truth)) - {IGNORE_ID}
    kept = [k for k, each in enumerate(vocabulary.classes) if k in present or each.sink]
    class_ids = np.full(256, IGNORE_ID, np.uint8)
    class_ids[: len(kept)] = kept
    if not present:
        return table, np.full(256, IGNORE_ID, np.uint8)
    fewer = vocabulary.model_copy(update={"classes": tuple(vocabulary.classes[k] for k in kept)})
    return select(table, fewer), class_ids


def _embedded(config: VlgConfig, checkpoint: Path | None, vocabulary: Vocabulary) -> TextTable:
    """The embedded words: from the checkpoint if it has them, so that its image model is not needed, else from the image model.

    Raises BadCheckpoint for a network trained with another image model.
    """
    from offline_training.words.features.run_text import embedded_words
    from offline_training.words.stages.guidance.inference import load_text_table

    if checkpoint is None:
        return embedded_words(config, vocabulary)
    own = load_text_table(checkpoint)
    names = tuple(each.name for each in vocabulary.classes)
    if vocabulary == config.words and (own.names, own.prompts) == (names, vocabulary.prompts):
        return own
    table = embedded_words(config, vocabulary)
    if table.text_space != own.text_space:
        raise BadCheckpoint(
            f"{checkpoint}: expected a network of the configuration's image model, {table.text_space}, found "
            f"{own.text_space}. Use the configuration it was trained with."
        )
    return table


def _no_features(sample: Sample) -> None:
    return None


def _features_of(config: VlgConfig, table: TextTable, specialised: bool) -> Callable[[Sample], SceneFeatures]:
    """Return the function that reads a scene's image features, passed through the run's adapter if requested."""
    from offline_training.words.features.run_features import open_features, require_features_of

    store = open_features(config)
    require_features_of(store, table)
    if not specialised:
        return lambda sample: store.read(sample.name)
    from offline_training.words.stages.adapter.specialise import load_adapter, specialised_features

    adapter = load_adapter(config)

    def adapted(sample: Sample) -> SceneFeatures:
        features = store.read(sample.name)
        return dataclasses.replace(features, feature=specialised_features(adapter, features.feature))

    return adapted
