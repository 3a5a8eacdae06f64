"""The heads and distributions of classes of OLIVINE's code, under the names of ours: what a pre-training resumes with."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.projection_heads import PROJECTION_CHANNELS

PICTURE_HEAD = re.compile(r"\bmodel_images\.(decoder|decoder_class_level)\.0\.(weight|bias)$")
CLASS_STATISTIC = re.compile(r"\bvmf_distributions\.(\d+)\.(mu|z_mean|kappa)$")
MEAN_FEATURE, _GATHERED_WEIGHT = "statistics.mean_feature", "statistics.gathered_weight"  # of OLIVINE's objective
_PICTURE_HEAD_NAMES = {"decoder": "pixel", "decoder_class_level": "class_pixel"}  # theirs: ours (ProjectionHeads)


def require_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise BadCheckpoint for heads and class distributions, of any shape, with NaN or infinite numbers.

    The tensors of the network itself are checked before.
    """
    if wrong := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise BadCheckpoint(
            f"{path}: expected finite heads and distributions of classes, found NaN or infinite numbers in {', '.join(wrong[:4])}. "
            "Choose another file."
        )


def class_statistics(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OLIVINE's distributions of classes 0, 1, ... under the names of its objective; nothing where they are not whole.

    mu and kappa follow from the mean z_mean by eq. 9, without a correction of its beginning, as that code has none.
    """
    means: dict[int, Tensor] = {}
    for name, tensor in tensors.items():
        found = CLASS_STATISTIC.search(name)
        if found and found[2] == "z_mean" and tensor.shape == (PROJECTION_CHANNELS,):
            means[int(found[1])] = tensor.float()
    if not means or set(means) != set(range(len(means))):
        return {}
    mean_feature = torch.stack([means[number] for number in range(len(means))])
    return {MEAN_FEATURE: mean_feature, _GATHERED_WEIGHT: torch.ones(len(means))}


def picture_heads(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The heads of the image network under the names of ProjectionHeads."""
    heads = {}
    for name, tensor in tensors.items():
        if found := PICTURE_HEAD.search(name):
            heads[f"{_PICTURE_HEAD_NAMES[found[1]]}.conv.{found[2]}"] = tensor.float()
    return heads
