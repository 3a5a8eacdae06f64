"""ToyModel: the toy vision-language model of the synthetic worlds as a model of dense features."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.errors import BadCheckpoint
from offline_training.image_language.dense_model import DenseImageModel
from offline_training.image_language.toy_tokenizer import WordTokenizer
from offline_training.networks.toy_language_networks import ToyImageEncoder, ToyTextEncoder
from offline_training.networks.weight_file import load_weights, read_weight_file

WEIGHTS, WORDS = "weights.safetensors", "words.json"
_FIRST_LOGIT_SCALE = 1 / 0.07  # CLIP's


class ToyTowers(nn.Module):
    """Both encoders and the learned temperature."""

    def __init__(self, words: int, channels: int) -> None:
        super().__init__()
        self.image = ToyImageEncoder(channels)
        self.text = ToyTextEncoder(words, channels)
        self.log_logit_scale = nn.Parameter(torch.tensor(float(np.log(_FIRST_LOGIT_SCALE))))


class ToyModel(DenseImageModel):
    """Unit vectors for cells of about 4 x 4 pixels, and for sentences of the words it learned. A toy."""

    def __init__(self, towers: ToyTowers, tokenizer: WordTokenizer) -> None:
        self.towers, self.tokenizer = towers.eval(), tokenizer
        self.channels = towers.text.out.out_features
        self.logit_scale = float(towers.log_logit_scale.detach().exp())

    def identity(self) -> dict[str, Any]:
        """The weights' and the words' hash."""
        digest = hashlib.sha256(self.tokenizer.to_json().encode())
        for name, tensor in sorted(self.towers.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return {"model": "toy", "weights_sha256": digest.hexdigest()}

    @torch.no_grad()
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """(H, W, 3) uint8 RGB of any size from 8 pixels each to (C, H/4, W/4) unit vectors. Raises BadImage for smaller ones."""
        return [self.towers.image(torch.tensor(image).permute(2, 0, 1)[None].float() / 255)[0] for image in images]

    @torch.no_grad()
    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt for words it has not learned, naming those it has."""
        return self.towers.text(torch.from_numpy(self.tokenizer(prompts)))


def open_toy_model(folder: Path) -> ToyModel:
    """The toy that `lidar-vl-train toy-language` wrote. Raises BadCheckpoint for a folder without one or with another."""
    tokenizer, tensors = WordTokenizer.read(folder / WORDS), read_weight_file(folder / WEIGHTS)
    vectors = tensors.get("text.word_vectors.weight")
    if vectors is None or vectors.ndim != 2 or len(vectors) != len(tokenizer):
        raise BadCheckpoint(
            f"{folder / WEIGHTS}: expected vectors of the {len(tokenizer)} tokens of {WORDS}, found "
            f"{'none' if vectors is None else tuple(vectors.shape)}. Train the toy anew with `lidar-vl-train toy-language`."
        )
    towers = ToyTowers(len(tokenizer), vectors.shape[1])
    load_weights(towers, tensors, folder / WEIGHTS)
    return ToyModel(towers, tokenizer)
