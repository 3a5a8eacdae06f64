"""C-RADIO with a language adaptor as a dense model by RADSeg's recipe, from local files only. Touches the disk.

The network is transformers' own class: no code from the folder is run. The text tower is that of the adaptor's teacher.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage, BadRequest
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.weak_labels.model_weights.model_folder import ModelFolder, choose_device
from offline_training.words.image_models.base.config import RadioConfig
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.base.picture_windows import WindowSizes, read_in_windows, scaled_picture
from offline_training.words.image_models.base.refinement import Refinement
from offline_training.words.image_models.towers.radio_adaptor import read_summary_head
from offline_training.words.image_models.towers.radseg import globally_aggregated, self_correlated
from offline_training.words.image_models.towers.text_side import TextSide, open_text_side

_LOGIT_SCALE = 100.0  # RADSeg


def open_radio(config: RadioConfig) -> "RadioLanguageModel":
    """The model of a configuration, on its device. Raises BadConfig, BadModelPackage, BadCheckpoint or BadDataset."""
    folder = ModelFolder(Path(config.folder))
    if folder.model_type != "radio":
        raise BadModelPackage(
            f"{folder.path}: expected config.json with model_type radio (a class of transformers), found "
            f"{folder.model_type}. Code beside weights is never run: add a config.json of transformers' RadioConfig, "
            "choose a C-RADIO that has one, or export the encoder and use the kind onnx."
        )
    require_packages("radio", "transformers", extra="language")
    try:
        from transformers import RadioModel
    except ImportError as error:
        raise BadConfig(
            f"radio: expected a version of transformers with RadioModel, found: {error}. Update transformers."
        ) from error
    network = folder.load_model(RadioModel.from_pretrained, choose_device(config.device))
    head = read_summary_head(Path(config.adaptor), config.adaptor_name, network.config.hidden_size)
    text = open_text_side(config.kind, config.text_embeddings, config.text_names, config.text_model)
    identity = {"radio": folder.identity(), "adaptor_sha256": sha256_of(Path(config.adaptor))}
    return RadioLanguageModel(RadioTower(network), head, text, config, identity)


class RadioTower:
    """Features of patches, before any adaptor."""

    def __init__(self, network: Any, read: Callable[..., Tensor] = self_correlated) -> None:  # noqa: ANN401
        """network: transformers' RadioModel; read: attention of the last block, whose residual and MLP are kept."""
        self._network: Any = network.requires_grad_(False)
        self._read = read
        self.cell_px = int(network.config.patch_size)

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) RGB of 0..1 -> (B, width, h, w)."""
        network = self._network
        x = network.embeddings(network.input_conditioner(windows))
        *blocks, last = network.encoder.layer
        for block in blocks:
            x = block(x)
        attention, normed = last.attention, last.norm1(x)
        q, k, v = (
            project(normed).unflatten(-1, (network.config.num_attention_heads, -1)).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        x = x + last.layer_scale1(self._read(q, k, v, attention.o_proj))
        x = x + last.layer_scale2(last.mlp(last.norm2(x)))
        grid = (windows.shape[2] // self.cell_px, windows.shape[3] // self.cell_px)
        return x[:, network.config.num_summary_tokens :].transpose(1, 2).unflatten(2, grid)


class RadioLanguageModel(DenseImageModel):
    """Averages features over windows, aggregates similar cells of the whole image, then applies the adaptor's head to every cell."""

    logit_scale = _LOGIT_SCALE

    def __init__(
        self, tower: RadioTower, head: nn.Module, text: TextSide, config: RadioConfig, identity: dict[str, Any]
    ) -> None:
        """identity: of the files. Raises BadConfig for text embeddings of another width, or invalid sizes."""
        self._device = choose_device(config.device)
        self._tower, self._text = tower, text
        self._head = head.to(self._device).requires_grad_(requires_grad=False)
        self._sizes = WindowSizes(config.short_side_px, config.window_px, config.stride_px, tower.cell_px)
        self.channels = int(self._head.get_parameter("final.2.weight").shape[0])
        if text.channels != self.channels:
            raise BadConfig(
                f"radio: expected text embeddings of {self.channels} channels, as the adaptor's output, found "
                f"{text.channels}. Use the text tower of the adaptor's teacher: siglip2-g is open_clip's "
                "ViT-gopt-16-SigLIP2-384."
            )
        self.refinement = Refinement(config.prompt_denoising)
        sizes = {"short_side_px": config.short_side_px, "window_px": config.window_px, "stride_px": config.stride_px}
        self._identity = {"model": "radio", "reading": "radseg", **identity, **sizes, "text": text.identity()}

    def identity(self) -> dict[str, Any]:
        """Hashes of network and adaptor, sizes, text."""
        return deepcopy(self._identity)

    @torch.no_grad()
    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """(C, h, w) float32 unit vectors each, on the model's device."""
        return [self._features(image) for image in images]

    def image_keys(self, image: np.ndarray) -> Tensor:
        """Refuse any image (H, W, 3): only MaskCLIP smooths by keys. Raises BadRequest."""
        raise BadRequest(
            f"radio: expected no key smoothing, found a request for keys of an image {image.shape}. Leave "
            "key_smoothing out."
        )

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows of the text side, with its errors."""
        return self._text.text_features(prompts).to(self._device)

    def _features(self, image: np.ndarray) -> Tensor:
        picture = torch.tensor(scaled_picture(image, self._sizes)).to(self._device).permute(2, 0, 1) / 255.0
        features = read_in_windows(picture, self._tower.cells, self._sizes)  # (width, h, w)
        shared = globally_aggregated(features.flatten(1).T)  # (n, width)
        cells = functional.normalize(self._head(shared), dim=1)
        return cells.T.unflatten(1, features.shape[1:])
