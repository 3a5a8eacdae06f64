"""OpenScene's and 3DSS-VLG's 3D networks as checkpoints of `guide`: the same weights, ready for queries in words.

Reads and writes files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.words.text_table_file import text_table_bytes
from offline_training.networks.foreign_weights import SR_UNET_ANCHOR, translate_weights
from offline_training.networks.image.weight_file import named_tensors, read_weight_content
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import RAW, Checkpoint, save_checkpoint
from offline_training.words.features.run_text import embedded_words
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance.inference import TEXT_TABLE_TENSOR

_HEAD = "point.linear"  # the name of `final` after translate_weights()
_COLOURS = ("red", "green", "blue")
_ONES = ("one",)


@dataclass(frozen=True)
class ImportedLanguageNetwork:
    """Summary of an imported file."""

    path: Path  # of our checkpoint
    config: VlgConfig
    parameters: int
    channels: int  # of an embedding
    text_space: str

    def __str__(self) -> str:
        config = self.config
        lines = [
            f"network: {config.network}, {self.parameters} parameters, {self.channels} channels in the space "
            f"{self.text_space}",
            f"grid: voxel_size {list(config.voxel_size)}, point_cloud_range {list(config.point_cloud_range)}",
            f"features: {', '.join(config.features)}"
            + (" (three constant ones there)" if config.features == _ONES else ""),
            f"words: {config.vocabulary}",
            f"checkpoint: {self.path}",
        ]
        return "\n".join(lines)


def import_openscene(file: Path, config: VlgConfig, out: Path) -> ImportedLanguageNetwork:
    """Write the MinkUNet of a file of OpenScene or 3DSS-VLG, with the words of a configuration, as a checkpoint of `guide` in `out`.

    config: grid, words and text model, which the file does not contain; nor does it contain what the network was
    trained on, given by `features`: [one] for OpenScene's three constant ones, [red, green, blue] for 3DSS-VLG's
    colours. Code in a file is never run. Raises BadConfig, or BadCheckpoint naming what is missing or has the wrong
    shape.
    """
    _require_layout(config)
    tensors = _of_network(named_tensors(read_weight_content(file)), file)
    stem = tensors.get(SR_UNET_ANCHOR)
    if config.features == _ONES and stem is not None and stem.ndim == 3:
        # Three inputs that are always 1 equal one input, whose weights are the sum of theirs.
        tensors = {**tensors, SR_UNET_ANCHOR: stem.double().sum(dim=1, keepdim=True).to(stem.dtype)}
    trunk = build_backbone(config, None)
    try:
        weights, heads = translate_weights(tensors, trunk)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{file}: {error}") from error
    head = _head(heads, file)
    table = embedded_words(config, config.words)
    if table.channels != len(head):
        raise BadConfig(
            f"model: expected text embeddings of {len(head)} channels, as the output of {file}, found "
            f"{table.channels}. OpenSeg goes with CLIP's "
            "ViT-L/14@336px (768), LSeg with ViT-B/32 (512)."
        )
    named = {f"{RAW}.{name}": tensor for name, tensor in weights.items()} | {f"{RAW}.head.weight": head}
    text = torch.from_numpy(np.frombuffer(text_table_bytes(table), np.uint8).copy())
    imported = {"kind": "openscene", "file": file.name, "sha256": sha256_of(file)}
    state = {"channels": len(head), "text_space": table.text_space, "imported": imported}
    checkpoint = Checkpoint(0, {**named, TEXT_TABLE_TENSOR: text}, config.model_dump(mode="json"), state)
    parameters = sum(each.numel() for each in trunk.parameters()) + head.numel()
    return ImportedLanguageNetwork(save_checkpoint(out, checkpoint), config, parameters, len(head), table.text_space)


def _require_layout(config: VlgConfig) -> None:
    if config.stem_kernel != 5 or config.features not in (_ONES, _COLOURS):
        raise BadConfig(
            f"stem_kernel, features: expected 5, and {list(_ONES)} (OpenScene) or {list(_COLOURS)} (3DSS-VLG), found "
            f"{config.stem_kernel} and {list(config.features)}. See offline_training/configs/words/openscene.yaml."
        )


def _of_network(tensors: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The tensors of the 3D network without the prefix of their names, such as module.net3d."""
    prefixes = [name.removesuffix(SR_UNET_ANCHOR) for name in tensors if f".{name}".endswith(f".{SR_UNET_ANCHOR}")]
    if len(prefixes) != 1:
        raise BadCheckpoint(
            f"{file}: expected one tensor {SR_UNET_ANCHOR} of a MinkUNet, found {len(prefixes)} among "
            f"{', '.join(list(tensors)[:4]) or 'no tensors'}. Use a file of OpenScene's or 3DSS-VLG's 3D network."
        )
    return {name.removeprefix(prefixes[0]): each for name, each in tensors.items() if name.startswith(prefixes[0])}


def _head(heads: Mapping[str, Tensor], file: Path) -> Tensor:
    """(C, features) weights of the last layer, which has no bias in these files."""
    weight, bias = heads.get(f"{_HEAD}.weight"), heads.get(f"{_HEAD}.bias")
    if weight is None or (bias is not None and bool((bias != 0).any())):
        found = "none" if weight is None else "one with a bias"
        raise BadCheckpoint(
            f"{file}: expected the last layer final.kernel without a bias, found {found}. Use a file of OpenScene's or "
            "3DSS-VLG's 3D network."
        )
    return weight
