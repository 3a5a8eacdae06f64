"""WaffleIron's and ScaLR's weights under our names: what they compute of their intensities, of ours from 0 to 1.

Their layers are 1x1 convolutions; ours are linear. Both give the neighbourhood the 16 nearest others, and cells to the planes in the
same order. Source: the public code of WaffleIron (Puy et al., ICCV 2023) and ScaLR (Puy et al., CVPR 2024), read for its layout.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.foreign_weights import BATCH_COUNTER, not_finite, refuse
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES

ANCHOR = "embed.final.weight"  # a tensor that each such network has
_HEAD = "classif."  # of classes, or of the teacher's features
_PLACES = (
    (r"^embedding\.norm\.", "embed.norm."),
    (r"^embedding\.own\.", "embed.conv1."),
    (r"^embedding\.neighbour_norm\.", "embed.conv2.0."),
    (r"^embedding\.neighbour1\.", "embed.conv2.1."),
    (r"^embedding\.neighbour_norm1\.", "embed.conv2.2."),
    (r"^embedding\.neighbour2\.", "embed.conv2.4."),
    (r"^embedding\.merge\.", "embed.final."),
    (r"^layers\.(\d+)\.spatial\.norm\.", r"waffleiron.spatial_mix.\1.norm."),
    (r"^layers\.(\d+)\.spatial\.conv1\.", r"waffleiron.spatial_mix.\1.ffn.0."),
    (r"^layers\.(\d+)\.spatial\.conv2\.", r"waffleiron.spatial_mix.\1.ffn.2."),
    (r"^layers\.(\d+)\.spatial\.scale$", r"waffleiron.spatial_mix.\1.scale.weight"),
    (r"^layers\.(\d+)\.channel\.norm\.", r"waffleiron.channel_mix.\1.norm."),
    (r"^layers\.(\d+)\.channel\.linear1\.", r"waffleiron.channel_mix.\1.mlp.0."),
    (r"^layers\.(\d+)\.channel\.linear2\.", r"waffleiron.channel_mix.\1.mlp.2."),
    (r"^layers\.(\d+)\.channel\.scale$", r"waffleiron.channel_mix.\1.scale.weight"),
)


@dataclass(frozen=True)
class Intensity:
    """What a foreign network reads: ours (0..1) times `factor` plus `shift`."""

    factor: float
    shift: float


# nuScenes stores 0..255. ScaLR takes the mean of each data set away and divides by the deviation: here nuScenes' own.
NUSCENES = Intensity(255.0, 0.0)
KITTI = Intensity(1.0, 0.0)
SCALR_NUSCENES = Intensity(255.0 / 22.04632, -18.742355 / 22.04632)


def network_name(tensors: Mapping[str, Tensor], gelu: bool) -> str:
    """Which of SHAPES the tensors are of, by layers, channels and norms. Raises BadCheckpoint with the sizes found.

    Their shapes are compared; gelu: what shapes do not tell.
    """
    layers = len({name.split(".")[2] for name in tensors if name.startswith("waffleiron.channel_mix.")})
    channels = tensors[ANCHOR].shape[0] if tensors[ANCHOR].ndim else 0
    layer_norm = "waffleiron.channel_mix.0.norm.running_mean" not in tensors
    for name, shape in SHAPES.items():
        if (shape.layers, shape.channels, shape.layer_norm, shape.gelu) == (layers, channels, layer_norm, gelu):
            return name
    kind = "layer norm" if layer_norm else "batch norm"
    named = ", ".join(name for name, shape in SHAPES.items() if shape.gelu == gelu)
    raise BadCheckpoint(
        f"expected a network of {named}, found {layers} layers of {channels} channels with {kind}. "
        "Choose another file, or add its size to waffleiron_shapes.py."
    )


def has_deep_head(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the head of pre-training has two layers: ScaLR+'s, ScaLR's has one; a head of classes has a norm and one."""
    return f"{_HEAD}2.weight" in tensors


def translate_waffleiron(
    tensors: Mapping[str, Tensor], network: PointBackbone, intensity: Intensity
) -> dict[str, Tensor]:
    """All tensors of ours without a head, from those of theirs, prefix removed; their head is left aside.

    Raises BadCheckpoint naming every tensor that is missing, unexpected, misshapen or not finite.
    Shapes are those of our network. Raises TypeError for another network than WaffleIron.
    """
    if not isinstance(network, WaffleIron):
        raise TypeError(f"expected a WaffleIron, found {type(network).__name__}")
    weights: dict[str, Tensor] = {}
    missing, misshapen, unexpected = [], [], {name for name in tensors if not name.startswith(_HEAD)}
    for name, own in network.state_dict().items():
        foreign_name = _foreign_name(name)
        unexpected.discard(foreign_name)
        tensor = tensors.get(foreign_name, own if name.endswith(BATCH_COUNTER) else None)
        if tensor is None:
            missing.append(foreign_name)
        elif tensor.numel() != own.numel() or tensor.shape[: own.ndim] != own.shape:
            misshapen.append(f"{foreign_name} {tuple(tensor.shape)}")
        else:
            weights[name] = tensor.reshape(own.shape).to(own.dtype, copy=True)
    problems = {
        "missing": missing,
        "unexpected": sorted(unexpected),
        "misshapen": misshapen,
        "not finite": not_finite(tensors),
    }
    refuse(problems, network)
    _read_ours(weights, network.embedding.norm.eps, intensity)
    return weights


def _read_ours(weights: dict[str, Tensor], epsilon: float, intensity: Intensity) -> None:
    """Let the first norm take our intensity for theirs: the same numbers come out of it."""
    mean, variance, factor = (weights[f"embedding.norm.{part}"] for part in ("running_mean", "running_var", "weight"))
    theirs = variance[0].double()
    mean[0] = (mean[0].double() - intensity.shift) / intensity.factor
    variance[0] = theirs / intensity.factor**2
    ours = variance[0].double()
    factor[0] = factor[0].double() * intensity.factor * torch.sqrt((ours + epsilon) / (theirs + epsilon))


def _foreign_name(name: str) -> str:
    for pattern, place in _PLACES:
        found, count = re.subn(pattern, place, name)
        if count:
            return found
    return name
