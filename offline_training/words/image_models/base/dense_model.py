"""The interface of every model that gives pixels features in the space of words."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadLabels, BadRequest
from lidar_vl_core.words.vocabulary import Vocabulary
from offline_training.words.image_models.base.templates import template_sentences

if TYPE_CHECKING:
    import onnx


class DenseImageModel(ABC):
    """A frozen pair of towers: images become grids of features, prompts become rows, compared by cosine."""

    channels: int  # C, width of the text space
    logit_scale: float  # factor of a cosine before a softmax
    context_length: int = 0  # tokens of a sentence for text_encoder_onnx(); 0 without such a graph

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that determines features and text, as JSON: model, hash of its weights, reading, windows."""

    @abstractmethod
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Features of images (H, W, 3) uint8 RGB, which may differ in size: one (C, h, w) float32 each.

        The cells cover the whole image evenly, however many there are; features need not have unit length.
        """

    @abstractmethod
    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) float32 rows of unit length, one for each prompt, without templates."""

    def text_encoder_onnx(self) -> "tuple[onnx.ModelProto, str, bytes]":
        """For robots: tokens (B, L) int64 -> embeddings (B, C) float32 unit rows; kind and file of its tokenizer.

        Raises BadRequest if the model has no such graph.
        """
        raise _no_export(self, "text")

    def image_encoder_onnx(self, height: int, width: int) -> "onnx.ModelProto":
        """For robots: image (1, 3, height, width) float32 RGB of 0..1 -> features (1, C, h, w) float32.

        Raises BadRequest if the model has no such graph.
        """
        raise _no_export(self, "image")


def _no_export(model: DenseImageModel, tower: str) -> BadRequest:
    return BadRequest(
        f"{tower} encoder: expected a model that can be exported, found {type(model).__name__}, which cannot. "
        f"Export without the {tower} encoder."
    )


def text_matrix(model: DenseImageModel, vocabulary: Vocabulary) -> np.ndarray:
    """(P, C) float32 unit rows, one for each prompt: the mean of unit embeddings over the templates of its class or of the vocabulary.

    Raises BadLabels for a prompt whose embedding is zero or not finite.
    """
    asked = [
        [template.replace("{}", prompt) for template in template_sentences(templates)]
        for prompt, templates in zip(vocabulary.prompts, vocabulary.templates_of_prompt, strict=True)
    ]
    sentences = [sentence for each in asked for sentence in each]
    rows = functional.normalize(model.text_features(sentences).float(), dim=1)  # (sentences of all prompts, C)
    means = torch.stack([part.mean(dim=0) for part in rows.split([len(each) for each in asked])])
    matrix = functional.normalize(means, dim=1).cpu().numpy().astype(np.float32)
    without = ~np.isclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-3)
    if without.any():
        words = [prompt for prompt, lost in zip(vocabulary.prompts, without, strict=True) if lost]
        raise BadLabels(
            f"prompts: expected embeddings of unit length, found zero or non-finite ones for {', '.join(words)}. Use "
            "other words, or check the weights of the model."
        )
    return matrix
