"""A CLIP of open_clip as a dense model: image windows through its image tower, sentences through its text tower."""

import hashlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.weak_labels.model_weights.model_folder import choose_device
from offline_training.words.image_models.base.config import OpenClipConfig, Siglip2Config
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.base.picture_windows import WindowSizes, read_in_windows, scaled_picture
from offline_training.words.image_models.base.refinement import Refinement
from offline_training.words.image_models.towers.clip_export import image_tower_onnx, text_tower_onnx
from offline_training.words.image_models.towers.image_tower import HasKeys, ImageTower
from offline_training.words.image_models.towers.last_block import READINGS
from offline_training.words.image_models.towers.open_clip_convnext import OpenClipConvNext
from offline_training.words.image_models.towers.open_clip_vit import OpenClipVit
from offline_training.words.image_models.towers.open_clip_weights import ClipWeights, load_clip
from offline_training.words.image_models.towers.proxy_clip import ProxyClip, load_dino

if TYPE_CHECKING:
    import onnx

_SENTENCES_AT_ONCE = 256


def open_clip_model(config: OpenClipConfig) -> "OpenClipModel":
    """The model of a configuration, on its device. Raises BadConfig, BadModelPackage or BadCheckpoint."""
    weights = load_clip(config)
    from open_clip.tokenizer import SimpleTokenizer, default_bpe

    tower, reading = _tower(weights, config)
    length: Any = weights.clip.context_length
    words = Words(SimpleTokenizer(context_length=length), Path(default_bpe()))
    return OpenClipModel(weights, tower, words, config, reading)


@dataclass(frozen=True)
class Words:
    """The tokenizer: sentences -> token numbers."""

    tokenizer: Callable[[list[str]], Tensor]
    merges: Path | None = None  # its file, gzip, if it is CLIP's; others do not run on robots


class OpenClipModel(DenseImageModel):
    """ViT or ConvNeXt; a cell's feature is the mean of its unit-length features over all windows that contain it."""

    def __init__(
        self,
        weights: ClipWeights,
        tower: ImageTower,
        words: Words,
        config: OpenClipConfig | Siglip2Config,
        reading: dict[str, Any],
    ) -> None:
        """weights: a CLIP, built and loaded; tower: over its `visual`; reading: what identity() states about the tower.

        Raises BadConfig for sizes that do not fit the tower.
        """
        self._device = choose_device(config.device)
        clip: Any = weights.clip.to(self._device).eval().requires_grad_(requires_grad=False)
        self._clip = clip
        self._tower = tower
        self._sizes = WindowSizes(config.short_side_px, config.window_px, config.stride_px, self._tower.cell_px)
        self._mean, self._std = (
            torch.tensor(values, dtype=torch.float32, device=self._device)[:, None, None]
            for values in (weights.mean, weights.std)
        )
        self._words = words
        self._identity = _identity(weights, config, weights.sha256 or _hash_of(clip), reading)
        self.channels = self._tower.channels
        self.logit_scale = float(self._clip.logit_scale.exp())
        self.context_length = int(self._clip.context_length)
        smoothing = config.key_smoothing if isinstance(config, OpenClipConfig) else None
        self.refinement = Refinement(config.prompt_denoising, smoothing)

    def identity(self) -> dict[str, Any]:
        """Architecture, hash of the weights, reading, sizes; without refinement, which changes no feature."""
        return deepcopy(self._identity)

    @torch.no_grad()
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """(C, h, w) float32 each, on the model's device; h x w cells of the resized image."""
        return [self._over_windows(image, self._tower.cells) for image in images]

    @torch.no_grad()
    def image_keys(self, image: np.ndarray) -> Tensor:
        """(D, h, w) keys of the last block, for key smoothing. Raises BadConfig for a tower without keys."""
        return self._over_windows(image, _with_keys(self._tower).keys)

    @torch.no_grad()
    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) float32 unit rows, on the model's device."""
        rows = [
            self._clip.encode_text(self._words.tokenizer(list(batch)).to(self._device), normalize=True).float()
            for batch in (
                prompts[first : first + _SENTENCES_AT_ONCE] for first in range(0, len(prompts), _SENTENCES_AT_ONCE)
            )
        ]
        return torch.cat(rows) if rows else torch.zeros((0, self.channels), device=self._device)

    def text_encoder_onnx(self) -> "tuple[onnx.ModelProto, str, bytes]":
        """The text tower with the merges of CLIP's tokenizer.

        Raises BadRequest for a tokenizer that is not available on robots.
        """
        if self._words.merges is None:
            return super().text_encoder_onnx()
        return text_tower_onnx(self._clip), "clip_bpe", self._words.merges.read_bytes()

    def image_encoder_onnx(self, height: int, width: int) -> "onnx.ModelProto":
        """The image tower for whole images, without windows; see image_tower_onnx()."""
        return image_tower_onnx(self._tower, self._sizes, (self._mean, self._std), (height, width))

    def _over_windows(self, image: np.ndarray, read: Any) -> Tensor:  # noqa: ANN401 - a method of the tower
        picture = torch.tensor(scaled_picture(image, self._sizes)).to(self._device).permute(2, 0, 1) / 255.0
        normed = (picture - self._mean) / self._std
        return read_in_windows(normed, lambda windows: functional.normalize(read(windows), dim=1), self._sizes)


def _tower(weights: ClipWeights, config: OpenClipConfig) -> tuple[ImageTower, dict[str, Any]]:
    """The tower, and what identity() states about its reading.

    Raises BadConfig for a tower that is neither ViT nor ConvNeXt, or a reading or refinement it does not have.
    """
    visual: Any = weights.clip.visual
    tower: ImageTower
    if hasattr(visual, "trunk"):
        tower, reading = OpenClipConvNext(visual), {"reading": "cells"}
    elif config.reading == "proxyclip":
        dino, sha256 = load_dino(config)
        values_only = OpenClipVit(visual, READINGS["maskclip"])
        tower = ProxyClip(values_only, dino.to(choose_device(config.device)), (weights.mean, weights.std))
        reading = {"reading": config.reading, "dino": config.dino, "dino_sha256": sha256 or "random"}
    else:
        tower, reading = OpenClipVit(visual, READINGS[config.reading]), {"reading": config.reading}
    if config.key_smoothing is not None:
        _with_keys(tower)
    return tower, reading


def _with_keys(tower: ImageTower) -> HasKeys:
    if isinstance(tower, HasKeys):
        return tower
    raise BadConfig(
        f"key_smoothing: expected a ViT, whose attention has keys, found {type(tower).__name__}. Leave it out."
    )


def _identity(
    weights: ClipWeights, config: OpenClipConfig | Siglip2Config, sha256: str, reading: dict[str, Any]
) -> dict[str, Any]:
    plan = weights.architecture
    name = Path(plan.name).name.removesuffix(".json")  # the location of a file does not matter
    return {
        "model": "open_clip",
        "text_space": f"open_clip:{name}:{sha256[:16]}",
        **asdict(plan),
        "name": name,
        "weights_sha256": sha256,
        "random_weights": weights.sha256 is None,
        "mean": list(weights.mean),
        "std": list(weights.std),
        **reading,
        "short_side_px": config.short_side_px,
        "window_px": config.window_px,
        "stride_px": config.stride_px,
    }


def _hash_of(network: nn.Module) -> str:
    """Hash of the names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
