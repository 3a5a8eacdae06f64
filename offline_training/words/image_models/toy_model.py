"""ToyModel: the toy vision-language model of the synthetic worlds, with dense features."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadCheckpoint, BadModelPackage
from lidar_vl_core.words.tokenizer import open_tokenizer
from offline_training.networks.image.toy_language import ToyImageEncoder, ToyTextEncoder
from offline_training.networks.image.weight_file import load_weights, read_weight_file
from offline_training.words.image_models.base.config import TOY_FILES
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.towers.tower_onnx import tower_graph

if TYPE_CHECKING:
    import onnx

WEIGHTS, WORDS = TOY_FILES
CONTEXT_LENGTH = 16  # words of a sentence
_FIRST_LOGIT_SCALE = 1 / 0.07  # CLIP's


class ToyTowers(nn.Module):
    """Both encoders and the learned temperature."""

    def __init__(self, words: int, channels: int) -> None:
        super().__init__()
        self.image = ToyImageEncoder(channels)
        self.text = ToyTextEncoder(words, channels)
        self.log_logit_scale = nn.Parameter(torch.tensor(float(np.log(_FIRST_LOGIT_SCALE))))


class ToyModel(DenseImageModel):
    """Unit vectors for cells of about 4 x 4 pixels, and for sentences of the words it has learned. A toy."""

    context_length = CONTEXT_LENGTH

    def __init__(self, towers: ToyTowers, words: bytes) -> None:
        """words: JSON of the words with vectors, in order, and the context length.

        Raises BadModelPackage for other content.
        """
        towers.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster on CPUs
        self._towers, self._words = towers, words
        self._tokenizer = open_tokenizer("words", words, CONTEXT_LENGTH)
        self.channels = towers.text.out.out_features
        self.logit_scale = float(towers.log_logit_scale.detach().exp())

    def identity(self) -> dict[str, Any]:
        """Hashes of the weights and of the words."""
        digest = hashlib.sha256(self._words)
        for name, tensor in sorted(self._towers.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return {"model": "toy", "weights_sha256": digest.hexdigest()}

    @torch.no_grad()
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Images (H, W, 3) uint8 RGB of at least 8 pixels a side -> (C, H/4, W/4) unit vectors each.

        Raises BadImage for smaller ones.
        """
        return [self._towers.image(torch.tensor(image).permute(2, 0, 1)[None].float() / 255)[0] for image in images]

    @torch.no_grad()
    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt for words it has not learned, listing the known ones."""
        return self._towers.text(torch.from_numpy(self._tokenizer.tokens(prompts)))

    def text_encoder_onnx(self) -> "tuple[onnx.ModelProto, str, bytes]":
        """The text tower and the list of its words."""
        example = torch.tensor([[1, 2, 0], [1, 0, 0]])
        return tower_graph(self._towers.text, example, "tokens", "embeddings", {0: "B", 1: "L"}), "words", self._words

    def image_encoder_onnx(self, height: int, width: int) -> "onnx.ModelProto":
        """The image tower for images of one size."""
        return tower_graph(self._towers.image, torch.rand(1, 3, height, width), "image", "features", {})


def open_toy_model(folder: Path) -> ToyModel:
    """The toy that `lidar-vl-train toy-language` wrote. Raises BadCheckpoint if the folder has none or another kind."""
    if not (folder / WEIGHTS).is_file():
        raise BadCheckpoint(
            f"{folder}: expected a toy language model, found no {WEIGHTS}. Train one with `lidar-vl-train toy-language --config "
            f"offline_training/configs/words/toy_language.yaml out={folder}`."
        )
    tensors = read_weight_file(folder / WEIGHTS)
    vectors = tensors.get("text.word_vectors.weight")
    if vectors is None or vectors.ndim != 2:
        raise BadCheckpoint(
            f"{folder / WEIGHTS}: expected a toy language model, found no word vectors. "
            "Train one with `lidar-vl-train toy-language`."
        )
    towers = ToyTowers(len(vectors), vectors.shape[1])
    load_weights(towers, tensors, folder / WEIGHTS)
    return ToyModel(towers, _read_words(folder / WORDS, len(vectors) - 1))


def _read_words(path: Path, count: int) -> bytes:
    """The list of `count` words, as stored in the file."""
    try:
        words = path.read_bytes()
        open_tokenizer("words", words, CONTEXT_LENGTH)
        found = f"{len(json.loads(words)['words'])} words"
    except (OSError, BadModelPackage) as error:
        found = str(error)
    if found != f"{count} words":
        raise BadCheckpoint(
            f"{path}: expected a list of {count} words, one for each vector in {WEIGHTS} beside it, found: {found}. "
            "Copy both files from one training, or train the toy again with `lidar-vl-train toy-language`."
        )
    return words
