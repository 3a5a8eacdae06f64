"""OpenPCDet's detectors as functions of a state dictionary with its names: the reference of ours, written down apart from it.

The sparse part is spconv's, the dense part plain functions; nothing here knows our modules.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from tests.training.networks.test_foreign_weights import one_thread
from tests.training.networks.voxelnet.spconv_voxelnet import spconv_backbone

State = Mapping[str, Tensor]


def detector_state(state: State, generation: int = 2) -> dict[str, Tensor]:
    """Weights of one of our detectors under the names and in the layout of OpenPCDet."""
    names = {"bev": "backbone_2d", "head": "dense_head"}
    foreign = {}
    for name, tensor in state.items():
        part, rest = name.split(".", 1)
        if part in names:
            foreign[f"{names[part]}.{rest}"] = tensor.clone()
    backbone = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    foreign |= {f"backbone_3d.{name}": value for name, value in _backbone_state(backbone, generation).items()}
    return foreign


def _backbone_state(state: State, generation: int) -> dict[str, Tensor]:
    foreign = {}
    for name, tensor in state.items():
        *unit, part = name.split(".")
        is_norm = unit[-1] == "norm"
        unit = unit[:-1] if is_norm else unit
        place = {"input": "conv_input", "output": "conv_out"}.get(unit[0])
        place = place or f"conv{int(unit[1]) + 1}.{unit[2]}"
        foreign[f"{place}.{int(is_norm)}.{part}"] = tensor.clone() if is_norm else kernel(tensor, generation)
    return foreign


def kernel(tensor: Tensor, generation: int) -> Tensor:
    """A kernel of ours, x, y, z, as spconv 1.x (z, y, x, C_in, C_out) or 2.x (C_out, z, y, x, C_in) has it."""
    sides = (1, 1, 3) if len(tensor) == 3 else (3, 3, 3)
    order = (4, 2, 1, 0, 3) if generation == 2 else (2, 1, 0, 3, 4)
    return tensor.reshape(*sides, *tensor.shape[1:]).permute(order).contiguous()


def spconv_map(state: State, features: Tensor, sites: Tensor, shape_zyx: tuple[int, int, int], scans: int) -> Tensor:
    """Map (S, C * D, H, W) of VoxelBackBone8x and HeightCompression. sites: (V, 4) scan, x, y, z."""
    import spconv.pytorch as spconv

    backbone = spconv_backbone(features.shape[1]).eval()
    own = {name.removeprefix("backbone_3d."): value for name, value in state.items() if name.startswith("backbone_3d.")}
    backbone.load_state_dict(own)
    indices = sites[:, [0, 3, 2, 1]].int().contiguous()
    with one_thread(), torch.no_grad():
        dense = backbone(spconv.SparseConvTensor(features, indices, shape_zyx, scans)).dense()
    count, channels, depth, height, width = dense.shape
    return dense.view(count, channels * depth, height, width)


def bev_features(state: State, x: Tensor) -> Tensor:
    """BaseBEVBackbone of two blocks with strides 1 and 2."""
    ups = []
    for block, stride in enumerate((1, 2)):
        prefix = f"backbone_2d.blocks.{block}"
        places = sorted({int(name.split(".")[3]) for name in state if name.startswith(prefix + ".")})
        for conv, norm in zip(places[::2], places[1::2], strict=True):
            x = functional.conv2d(x, state[f"{prefix}.{conv}.weight"], None, stride if conv == 1 else 1, padding=1)
            x = functional.relu(_norm(state, f"{prefix}.{norm}", x, 1e-3))
        prefix = f"backbone_2d.deblocks.{block}"
        up = functional.conv_transpose2d(x, state[f"{prefix}.0.weight"], None, stride)
        ups.append(functional.relu(_norm(state, f"{prefix}.1", up, 1e-3)))
    return torch.cat(ups, dim=1)


def anchor_head(state: State, x: Tensor) -> dict[str, Tensor]:
    """AnchorHeadSingle: maps by the names of its convolutions."""
    names = ("conv_cls", "conv_box", "conv_dir_cls")
    return {
        name: functional.conv2d(x, state[f"dense_head.{name}.weight"], state[f"dense_head.{name}.bias"])
        for name in names
    }


def center_head(state: State, x: Tensor, group: int) -> dict[str, Tensor]:
    """CenterHead with bias before the norms: maps of one group by their names."""
    shared = _conv_norm(state, "dense_head.shared_conv", x)
    prefix = f"dense_head.heads_list.{group}"
    names = {name.split(".")[3] for name in state if name.startswith(prefix + ".")}
    maps = {}
    for name in names:
        hidden = _conv_norm(state, f"{prefix}.{name}.0", shared)
        last = f"{prefix}.{name}.1"
        maps[name] = functional.conv2d(hidden, state[f"{last}.weight"], state[f"{last}.bias"], padding=1)
    return maps


def _conv_norm(state: State, prefix: str, x: Tensor) -> Tensor:
    x = functional.conv2d(x, state[f"{prefix}.0.weight"], state[f"{prefix}.0.bias"], padding=1)
    return functional.relu(_norm(state, f"{prefix}.1", x, 1e-5))


def _norm(state: State, prefix: str, x: Tensor, epsilon: float) -> Tensor:
    mean, variance = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
    return functional.batch_norm(x, mean, variance, state[f"{prefix}.weight"], state[f"{prefix}.bias"], eps=epsilon)
