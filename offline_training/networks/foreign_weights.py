"""Weights of other programs in our names and layouts: SR-UNet of MinkowskiEngine, VoxelNet of spconv 1.x and 2.x.

Ours are [K, C_in, C_out] with offsets in lexicographic order of x, y, z (z fastest). MinkowskiEngine has the first axis
fastest and 1x1 kernels in two dimensions; spconv has the axes z, y, x and keeps five dimensions. A 1x1x1 convolution of
spconv 2.x multiplies by the numbers of its (C_out, 1, 1, 1, C_in) tensor read in a row as (C_in, C_out).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.sparse.minkunet import MinkUNet

SR_UNET_ANCHOR, SPCONV_ANCHOR = "conv0p1s1.kernel", "conv_input.0.weight"  # a tensor that each such network has
_NAMES_SHOWN = 6
BATCH_COUNTER = "num_batches_tracked"
# Their heads of pre-training, by our names (ProjectionHeads); the second is OLIVINE's for classes.
_HEADS = {"final": "point", "final_class_level": "class_point"}
_SPCONV_SIDES = {1: (1, 1, 1), 3: (3, 1, 1), 27: (3, 3, 3)}  # along z, y, x, of the kernels of VoxelNet


def translate_weights(
    tensors: Mapping[str, Tensor], network: PointBackbone
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Bring the tensors of a foreign network, their prefix removed, into the form of ours of the same architecture.

    network: a MinkUNet or a VoxelNet without a head. Returns its tensors, all of them, and those of the heads of
    pre-training that were there: point.linear.weight (C_out, C) and .bias (C_out,), class_point the same.
    Counters of batch norms may be missing: old files have none. Raises BadCheckpoint naming every tensor that is
    missing, unexpected, misshapen or not finite.
    """
    minkowski = isinstance(network, MinkUNet)
    name_of, translate = (_minkowski_name, _from_minkowski) if minkowski else (spconv_name, _from_spconv)
    weights: dict[str, Tensor] = {}
    missing, misshapen = [], []
    unexpected = set(tensors)
    for name, own in network.state_dict().items():
        foreign_name = name_of(name)
        unexpected.discard(foreign_name)
        tensor = tensors.get(foreign_name, own if name.endswith(BATCH_COUNTER) else None)
        ours = None if tensor is None else translate(name, tensor, own)
        if tensor is None:
            missing.append(foreign_name)
        elif ours is None:
            misshapen.append(foreign_name)
        else:
            weights[name] = ours.to(own.dtype).contiguous()
    heads, misshapen_heads = _translated_heads(tensors, network.feature_channels)
    problems = {
        "missing": missing,
        "unexpected": sorted(name for name in unexpected if name.split(".")[0] not in _HEADS),
        "misshapen": [f"{name} {tuple(tensors[name].shape)}" for name in misshapen + misshapen_heads],
        "not finite": not_finite(tensors),
    }
    refuse(problems, network)
    return weights, heads


def from_minkowski_order(kernel: Tensor) -> Tensor:
    """Reorder a kernel (K^3, C_in, C_out) with the first axis fastest to ours, whose last axis is fastest."""
    side = round(len(kernel) ** (1 / 3))
    return kernel.reshape(side, side, side, *kernel.shape[1:]).permute(2, 1, 0, 3, 4).reshape(kernel.shape)


def from_spconv_order(weight: Tensor, kernel_zyx: tuple[int, int, int]) -> Tensor | None:
    """spconv 2.x (C_out, kz, ky, kx, C_in) or 1.x (kz, ky, kx, C_in, C_out) to ours; None for any other shape."""
    if weight.ndim != 5:
        return None
    if weight.shape[1:4] == kernel_zyx:
        weight = weight.permute(3, 2, 1, 4, 0)
    elif weight.shape[:3] == kernel_zyx:
        weight = weight.permute(2, 1, 0, 3, 4)
    else:
        return None
    return weight.reshape(-1, *weight.shape[3:])


def _from_spconv_pointwise(weight: Tensor) -> Tensor | None:
    """The (C_in, C_out) that a 1x1x1 convolution of spconv 2.x or 1.x multiplies by; None for any other shape."""
    if weight.ndim == 5 and weight.shape[1:4] == (1, 1, 1):
        return weight.reshape(weight.shape[4], weight.shape[0])
    matrices = from_spconv_order(weight, _SPCONV_SIDES[1])
    return None if matrices is None else matrices[0]


def _from_minkowski(name: str, tensor: Tensor, own: Tensor) -> Tensor | None:
    """None where the shape is another."""
    if name.endswith("linear.weight"):
        return tensor.t() if tensor.shape == own.t().shape else None
    if tensor.shape != own.shape:
        return None
    return from_minkowski_order(tensor) if tensor.ndim == 3 else tensor


def _from_spconv(name: str, tensor: Tensor, own: Tensor) -> Tensor | None:
    return spconv_tensor(tensor, own)


def spconv_tensor(tensor: Tensor, own: Tensor) -> Tensor | None:
    """A tensor of spconv's layers in the form of ours of the same place; None where the shape is another."""
    ours = from_spconv_order(tensor, _SPCONV_SIDES[len(own)]) if own.ndim == 3 else tensor
    return ours if ours is not None and ours.shape == own.shape else None


_BLOCK_PARTS = (
    (r"^conv(\d)\.weight$", r"conv\1.kernel"),
    (r"^norm(\d)\.", r"norm\1.bn."),
    (r"^shortcut\.linear\.weight$", "downsample.0.kernel"),
    (r"^shortcut\.norm\.", "downsample.1.bn."),
)


def _minkowski_name(name: str) -> str:
    """Name in Res16UNet34C of a tensor of MinkUNet."""
    if name.startswith("stem.0."):
        return name.replace("stem.0.norm.", "bn0.bn.").replace("stem.0.conv.weight", "conv0p1s1.kernel")
    way, number, part, rest = name.split(".", 3)
    stage = int(number) if way == "down" else int(number) + 4
    if part == "blocks":
        index, rest = rest.split(".", 1)
        for pattern, replacement in _BLOCK_PARTS:
            rest = re.sub(pattern, replacement, rest)
        return f"block{stage + 1}.{index}.{rest}"
    if part == "norm":
        return f"bn{stage + 1}.bn.{rest}" if way == "down" else f"bntr{stage}.bn.{rest}"
    stride = 2**stage if way == "down" else 2 ** (8 - stage)
    return f"conv{stage + 1}p{stride}s2.kernel" if way == "down" else f"convtr{stage}p{stride}s2.kernel"


def spconv_name(name: str) -> str:
    """Name in OpenPCDet's VoxelBackBone8x or VoxelResBackBone8x of a tensor of VoxelNet's encoder."""
    place, *inner, part = name.split(".")
    if place != "levels":
        return f"{'conv_input' if place == 'input' else 'conv_out'}.{int(inner == ['norm'])}.{part}"
    level, unit, *layer = inner
    if layer and layer[0] != "norm":  # of a residual unit
        return f"conv{int(level) + 1}.{unit}.{layer[0].replace('norm', 'bn')}.{part}"
    return f"conv{int(level) + 1}.{unit}.{len(layer)}.{part}"


def _translated_heads(tensors: Mapping[str, Tensor], channels: int) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the heads that were there, by our names, and the foreign names of those of another shape."""
    heads: dict[str, Tensor] = {}
    misshapen = []
    for name, own_name in _HEADS.items():
        parts = {full.split(".", 1)[-1]: tensor for full, tensor in tensors.items() if full.split(".")[0] == name}
        head = _head(parts, channels) if parts else {}
        if head is None:
            misshapen += [f"{name}.{part}" for part in parts]
        else:
            heads.update({f"{own_name}.linear.{part}": tensor for part, tensor in head.items()})
    return heads, misshapen


def _head(parts: Mapping[str, Tensor], channels: int) -> dict[str, Tensor] | None:
    """weight (C_out, channels) and bias (C_out,) of a 1x1x1 convolution; None where a shape is another."""
    kernel = _from_spconv_pointwise(parts["weight"]) if "weight" in parts else parts.get("kernel")
    if kernel is None or kernel.ndim != 2 or len(kernel) != channels:
        return None
    bias = parts.get("bias", kernel.new_zeros(kernel.shape[1]))
    if bias.numel() != kernel.shape[1]:
        return None
    return {"weight": kernel.t().float().contiguous(), "bias": bias.reshape(-1).float()}


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors, of any shape, with NaN or infinite numbers in float32, in which they are kept here."""
    return [name for name, tensor in tensors.items() if not torch.isfinite(tensor.float()).all()]


def refuse(problems: Mapping[str, list[str]], network: nn.Module) -> None:
    """Raise BadCheckpoint where there are names under any of the problems."""
    found = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in problems.items() if names)
    if found:
        raise BadCheckpoint(
            f"expected the {len(network.state_dict())} tensors of a foreign {type(network).__name__}, found {found}. "
            "Choose a file of that architecture."
        )


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + rest
