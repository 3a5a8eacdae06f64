"""Exported ONNX towers as a dense model: any encoder (RADIO, TIPS, FC-CLIP, ours), without its code. Touches the disk.

The graphs have the tensor names and shapes of this project's packages, so that one lab can read another's export.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage, BadRequest
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.model_packages.language_files import require_encoder
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from offline_training.datasets.base.picture_resize import resized_rgb
from offline_training.words.image_models.base.config import OnnxTowersConfig
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.base.text_rows import TextRows, read_text_rows

if TYPE_CHECKING:
    import onnx


def open_onnx_towers(config: OnnxTowersConfig) -> "OnnxTowers":
    """The model of a configuration.

    Raises BadConfig, BadDataset, and BadModelPackage for files that are not such towers.
    """
    image = OnnxImageTower(_content(config.image_encoder), config)
    if (config.text_encoder is None) == (config.text_embeddings is None):
        raise BadConfig(
            "model onnx: expected text_encoder (with tokenizer_file) or text_embeddings (with text_names), found "
            f"{'neither' if config.text_encoder is None else 'both'}. Set exactly one."
        )
    if config.text_encoder is not None:
        return OnnxTowers(image, OnnxTextTower(config, image.channels), config)
    names = None if config.text_names is None else Path(config.text_names)
    return OnnxTowers(image, read_text_rows(Path(str(config.text_embeddings)), names), config)


class OnnxImageTower:
    """Computes features of images of one size with ONNX Runtime."""

    def __init__(self, content: bytes, config: OnnxTowersConfig) -> None:
        """Raises BadModelPackage for a graph with other inputs, BadConfig for a size that it does not accept."""
        import onnxruntime

        require_encoder(content, {"image"}, {"features"}, config.image_encoder)
        self._origin = config.image_encoder
        try:
            self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an error class of its own for every cause
            raise self._unusable(error) from error
        self.size = self._input_size(config)
        self._mean, self._std = (np.array(each, np.float32)[:, None, None] for each in (config.mean, config.std))
        if not (self._std > 0).all():
            raise BadConfig(f"std: expected values above 0, found {config.std}. Leave it out if the graph normalises.")
        self.channels = self.features(np.zeros((*self.size, 3), np.uint8)).shape[0]

    def features(self, image: np.ndarray) -> np.ndarray:
        """Image (H, W, 3) uint8 RGB, resized to the graph's input -> (C, h, w) float32. Raises BadModelPackage."""
        channels_first = resized_rgb(image, self.size).transpose(2, 0, 1).astype(np.float32) / 255.0
        normed = (channels_first - self._mean) / self._std
        try:
            (features,) = self._session.run(["features"], {"image": normed[None].astype(np.float32)})
        except Exception as error:
            raise self._unusable(error) from error
        if features.ndim != 4 or len(features) != 1 or features.dtype != np.float32 or not features.size:
            raise self._unusable(f"features {features.shape} {features.dtype}")
        return features[0]

    def _input_size(self, config: OnnxTowersConfig) -> tuple[int, int]:
        """Height and width: the graph's own, or the configured ones if it leaves them open."""
        shape = self._session.get_inputs()[0].shape
        if len(shape) != 4:
            raise self._unusable(f"image {shape}")
        sides = []
        for name, stated, asked in zip(("height", "width"), shape[2:], (config.height, config.width), strict=True):
            fixed = stated if isinstance(stated, int) and stated > 0 else None
            side = asked if fixed is None else fixed
            if side is None or side < 1 or asked not in (None, side):
                raise BadConfig(
                    f"{name}: expected {fixed or 'a number of pixels, which the graph leaves open'}, found {asked}. Correct {name}."
                )
            sides.append(side)
        return sides[0], sides[1]

    def _unusable(self, found: object) -> BadModelPackage:
        return BadModelPackage(
            f"{self._origin}: expected an image tower from image (1, 3, H, W) to features (1, C, h, w) float32, found: "
            f"{' '.join(str(found).split())[:300]}. Export it again with these names and shapes."
        )


class OnnxTextTower:
    """Embeds sentences, with the same code that robots run."""

    def __init__(self, config: OnnxTowersConfig, channels: int) -> None:
        """Raises BadConfig without a tokenizer, BadModelPackage for files that do not run."""
        if config.tokenizer_file is None:
            raise BadConfig(
                f"tokenizer_file: expected the file of the tokenizer {config.tokenizer}, found none. "
                "A package with a text encoder holds both."
            )
        self.content, self.tokenizer = _content(str(config.text_encoder)), _content(config.tokenizer_file)
        require_encoder(self.content, {"tokens"}, {"embeddings"}, str(config.text_encoder))
        self.kind, self.channels, self.logit_scale = config.tokenizer, channels, config.logit_scale
        self._files = [str(config.text_encoder), config.tokenizer_file]
        spec = {
            "text_space": "onnx",
            "channels": channels,
            "logit_scale": config.logit_scale,
            "tokenizer": config.tokenizer,
            "context_length": config.context_length,
        }
        self._encoder = TextEncoder(self.content, self.tokenizer, LanguageSpec.model_validate(spec), threads=1)

    def identity(self) -> dict[str, Any]:
        """Hashes of tower and tokenizer."""
        return {"model": "onnx_text_tower", "sha256": [sha256_of(Path(path)) for path in self._files]}

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt for words missing from a word list."""
        return torch.from_numpy(self._encoder.embed(prompts)) if prompts else torch.zeros((0, self.channels))


class OnnxTowers(DenseImageModel):
    """An image tower, and a text tower or rows from a file. An image is processed as a whole, without windows."""

    def __init__(self, image: OnnxImageTower, text: OnnxTextTower | TextRows, config: OnnxTowersConfig) -> None:
        """Raises BadConfig if the two differ in width."""
        if image.channels != text.channels:
            raise BadConfig(
                f"model onnx: expected text embeddings of {image.channels} channels, as in the image features, found "
                f"{text.channels}. Use both towers of one model."
            )
        self._image, self._text = image, text
        self._norms = config.mean != (0.0, 0.0, 0.0) or config.std != (1.0, 1.0, 1.0)
        self._path = Path(config.image_encoder)
        self.channels, self.logit_scale = image.channels, text.logit_scale
        self.context_length = config.context_length if isinstance(text, OnnxTextTower) else 0
        self._identity = {
            "model": "onnx",
            "image_sha256": sha256_of(self._path),
            "size": list(image.size),
            "mean": list(config.mean),
            "std": list(config.std),
            "text": text.identity(),
        }

    def identity(self) -> dict[str, Any]:
        """Hashes of all files, image size and colour normalisation."""
        return deepcopy(self._identity)

    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """(C, h, w) float32 each, with C, h, w of the graph."""
        return [torch.from_numpy(self._image.features(image)) for image in images]

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt for unknown words."""
        return self._text.text_features(prompts)

    def text_encoder_onnx(self) -> "tuple[onnx.ModelProto, str, bytes]":
        """The graph of the file. Raises BadRequest if there are only rows."""
        if isinstance(self._text, TextRows):
            return super().text_encoder_onnx()
        return _graph(self._text.content), self._text.kind, self._text.tokenizer

    def image_encoder_onnx(self, height: int, width: int) -> "onnx.ModelProto":
        """The graph of the file. Raises BadRequest for another size, or if images are normalised outside the graph."""
        if (height, width) != self._image.size or self._norms:
            raise BadRequest(
                f"image encoder: expected {self._image.size} and a graph that normalises images itself, found "
                f"{(height, width)} and {'one that does not' if self._norms else 'such a graph'}. Export with its size, or "
                "use a graph that takes images of 0..1."
            )
        return _graph(self._path.read_bytes())


def _graph(content: bytes) -> "onnx.ModelProto":
    import onnx

    return onnx.load_model_from_string(content)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadModelPackage(f"{path}: expected a file, found: {error}. Check the path.") from error
