"""A closed-set segmenter as a model of words: a pixel's feature is the sum of its classes' text vectors by probability.

If no open-vocabulary image model is available, this maps any segmenter's output into a space of words. It knows only
its classes; any other word is compared through the text space alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadRequest, UnknownPrompt
from lidar_vl_core.foundation.files import sha256_of
from offline_training.datasets.base.sample import Sample
from offline_training.networks.image.espnet import SIDE_STEP, load_espnet, normalise_for_espnet
from offline_training.weak_labels.classes.class_values import class_values
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.labelers.precomputed import PrecomputedLabels
from offline_training.words.image_models.base.config import ClassesAsWordsConfig
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.towers.text_side import TextSide
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.scene_features import SceneFeatures

if TYPE_CHECKING:
    import onnx

_CELL_PX = 4  # probabilities are averaged over squares of this many pixels a side: features are wide


class _ClassesAsWords(DenseImageModel):
    """Base of both kinds: the text side, and an embedding for each class."""

    def __init__(self, spoken: Ontology, text: TextSide) -> None:
        """Raises BadConfig for a class without any word that the text side knows."""
        self.channels, self.logit_scale = text.channels, text.logit_scale
        self._text, self._spoken = text, spoken
        self._row_of_class = torch.stack([_class_row(text, each.name, each.prompts) for each in spoken.classes])
        if isinstance(text, DenseImageModel):
            self.context_length = text.context_length

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows from the text side. Raises what that raises."""
        return self._text.text_features(prompts)

    def text_encoder_onnx(self) -> "tuple[onnx.ModelProto, str, bytes]":
        """The text side's graph, if it is a model. Raises BadRequest for rows from a file."""
        return (
            self._text.text_encoder_onnx() if isinstance(self._text, DenseImageModel) else super().text_encoder_onnx()
        )

    def _identity(self, **source: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        own = {"model": "classes_as_words", "spoken": self._spoken.to_json(), "text": self._text.identity()}
        return own | source

    def _features(self, share: Tensor) -> Tensor:
        """(K, h, w) share of each class in each cell -> (C, h, w); shorter than unit length where classes are mixed."""
        return torch.einsum("kc,khw->chw", self._row_of_class, share)


class EspnetAsWords(_ClassesAsWords):
    """ESPNet's probabilities as features; its class "unlabelled" contributes nothing."""

    def __init__(self, weights: Path, spoken: Ontology, input_size: tuple[int, int], text: TextSide) -> None:
        """input_size: height and width of the network's input, pixels.

        Raises BadCheckpoint for weights of other classes, BadConfig.
        """
        super().__init__(spoken, text)
        if min(input_size) < SIDE_STEP or any(side % SIDE_STEP for side in input_size):
            raise BadConfig(
                f"input size: expected multiples of {SIDE_STEP}, found {input_size}. Round them to such values."
            )
        self._network = load_espnet(weights).eval()
        if self._network.classes not in (len(spoken), len(spoken) + 1):
            raise BadCheckpoint(
                f"{weights}: expected ESPNet with {len(spoken)} classes, or one more for unlabelled pixels, found "
                f"{self._network.classes}. Name the ontology whose classes it was trained on."
            )
        self._input_size, self._sha256 = input_size, sha256_of(weights)

    def identity(self) -> dict[str, Any]:
        """Weights, input size, the classes with their words, text side."""
        return self._identity(weights_sha256=self._sha256, input_size=list(self._input_size))

    @torch.no_grad()
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Images (H, W, 3) uint8 RGB -> (C, h, w) each, at a quarter of the network's input size."""
        return [self._features(self._probability(image)) for image in images]

    def _probability(self, image: np.ndarray) -> Tensor:
        """(K, h, w) probabilities of the classes that have words."""
        rgb = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
        seen = F.interpolate(rgb, self._input_size, mode="bilinear", align_corners=False)
        probability = self._network(normalise_for_espnet(seen)).softmax(1)[0, : len(self._spoken)]
        return F.avg_pool2d(probability, _CELL_PX)


class LabelMapsAsWords(_ClassesAsWords):
    """Existing label images as features: a cell mixes its classes by their share of its pixels."""

    def __init__(self, labels: PrecomputedLabels, text: TextSide) -> None:
        super().__init__(labels.ontology, text)
        self._labels = labels

    def identity(self) -> dict[str, Any]:
        """Meaning of the label values, the classes with their words, text side."""
        return self._identity(labels=self._labels.identity())

    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Refuse images (H, W, 3) without a place in a data set, where their labels are found; see `scene_features`.

        Raises BadRequest.
        """
        raise BadRequest(
            "classes_as_words: expected views of a data set to find existing labels, found bare images. Set weights "
            "to run a network instead."
        )

    def scene_features(self, sample: Sample, config: ExtractConfig) -> SceneFeatures:
        """The features of all views of a sample, projected onto its points.

        Raises BadLabels for a view without labels.
        """
        from offline_training.words.scenes.back_project import back_project

        return back_project(sample, self.view_features, config)

    def view_features(self, view: CameraView) -> Tensor:
        """(C, H/4, W/4) features of one view.

        Raises BadLabels if its labels are missing, or of another size or other values.
        """
        class_id = torch.from_numpy(self._labels.labels(self._labels.read_bytes(view), view).class_id)
        height, width = (max(1, round(side / _CELL_PX)) for side in class_id.shape)
        share = torch.zeros(len(self._spoken), height, width)
        for present in class_id.unique().tolist():  # one at a time: all of a large image take hundreds of megabytes
            if present != IGNORE_ID:
                share[present] = F.adaptive_avg_pool2d((class_id == present).float()[None], (height, width))[0]
        return self._features(share)


def open_classes_as_words(config: ClassesAsWordsConfig) -> DenseImageModel:
    """The model of a configuration. Raises BadConfig, BadCheckpoint or BadDataset with what is missing."""
    spoken, text = load_ontology(config.values), _text_side(config)
    if (config.weights is None) == (config.labels is None):
        raise BadConfig(
            "classes_as_words: expected either weights (of ESPNet) or labels (a folder of label images), found "
            f"{'both' if config.weights else 'neither'}. Set exactly one."
        )
    if config.weights is not None:
        return EspnetAsWords(Path(config.weights), spoken, (config.height, config.width), text)
    from offline_training.weak_labels.pictures.picture_path import PicturePath

    values = class_values(spoken, spoken, config.ignored_values)
    path = PicturePath(Path(str(config.labels)), config.template)
    return LabelMapsAsWords(PrecomputedLabels(path, values, spoken), text)


def _text_side(config: ClassesAsWordsConfig) -> TextSide:
    if (config.toy is None) == (config.text_embeddings is None):
        raise BadConfig(
            "classes_as_words: expected either toy (the folder of a toy language model) or text_embeddings, found "
            f"{'both' if config.toy else 'neither'}. Set exactly one."
        )
    if config.toy is not None:
        from offline_training.words.image_models.toy_model import open_toy_model

        return open_toy_model(Path(config.toy))
    from offline_training.words.image_models.base.text_rows import read_text_rows

    names = None if config.text_names is None else Path(config.text_names)
    return read_text_rows(Path(str(config.text_embeddings)), names)


def _class_row(text: TextSide, name: str, prompts: Sequence[str]) -> Tensor:
    """(C,) unit mean over the words of a class that the text side knows."""
    known, refusals = [], []
    for prompt in prompts or (name,):
        try:
            known.append(text.text_features([prompt])[0])
        except UnknownPrompt as error:
            refusals.append(str(error))
    if not known:
        raise BadConfig(f"class {name}: expected at least one word that the text side knows. {' '.join(refusals)}")
    return F.normalize(torch.stack(known).mean(dim=0), dim=0)
