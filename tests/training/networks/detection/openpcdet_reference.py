"""OpenPCDet's detectors as functions of a state dictionary with its names: the reference of ours, written down apart from it.

The sparse part is spconv's, the dense part plain functions; nothing here knows our modules.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.training.networks.one_thread import one_thread
from tests.training.networks.voxelnet.spconv_voxelnet import spconv_backbone

State = Mapping[str, Tensor]


def detector_state(state: State, generation: int = 2) -> dict[str, Tensor]:
    """Weights of one of our detectors under the names and in the layout of OpenPCDet."""
    names = {
        "bev": "backbone_2d",
        "head": "dense_head",
        "keypoints.levels": "pfe.SA_layers",
        "keypoints.points": "pfe.SA_rawpoints",
        "keypoints.fusion": "pfe.vsa_point_feature_fusion",
        "point_head": "point_head.cls_layers",
        "roi_head": "roi_head",
    }
    foreign = {}
    for name, tensor in state.items():
        for ours, theirs in names.items():
            if name.startswith(f"{ours}."):
                is_conv = ".mlps." in name and tensor.ndim == 2
                foreign[theirs + name.removeprefix(ours)] = (tensor[:, :, None, None] if is_conv else tensor).clone()
    backbone = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    foreign |= {f"backbone_3d.{name}": value for name, value in _backbone_state(backbone, generation).items()}
    return foreign


def _backbone_state(state: State, generation: int) -> dict[str, Tensor]:
    foreign = {}
    for name, tensor in state.items():
        names = name.split(".")
        if names[0] == "levels":
            names = [f"conv{int(names[1]) + 1}", *names[2:]]
        names = [
            {"input": "conv_input", "output": "conv_out", "norm1": "bn1", "norm2": "bn2"}.get(one, one) for one in names
        ]
        if not {"conv1", "conv2", "bn1", "bn2"} & set(names[1:]):  # a unit, whose layers have numbers
            names = [*[one for one in names if one != "norm"][:-1], str(int("norm" in names)), names[-1]]
        foreign[".".join(names)] = kernel(tensor, generation) if tensor.ndim == 3 else tensor.clone()
    return foreign


def kernel(tensor: Tensor, generation: int) -> Tensor:
    """A kernel of ours, x, y, z, as spconv 1.x (z, y, x, C_in, C_out) or 2.x (C_out, z, y, x, C_in) has it."""
    sides = (1, 1, 3) if len(tensor) == 3 else (3, 3, 3)
    order = (4, 2, 1, 0, 3) if generation == 2 else (2, 1, 0, 3, 4)
    return tensor.reshape(*sides, *tensor.shape[1:]).permute(order).contiguous()


def spconv_map(state: State, features: Tensor, sites: Tensor, shape_zyx: tuple[int, int, int], scans: int) -> Tensor:
    """Map (S, C * D, H, W) of VoxelBackBone8x or VoxelResBackBone8x, and HeightCompression. sites: (V, 4) scan, x, y, z."""
    import spconv.pytorch as spconv

    own = {name.removeprefix("backbone_3d."): value for name, value in state.items() if name.startswith("backbone_3d.")}
    start = spconv.SparseConvTensor(features, sites[:, [0, 3, 2, 1]].int().contiguous(), shape_zyx, scans)
    with one_thread(), torch.no_grad():
        if "conv1.0.conv1.weight" in own:
            dense = _residual_backbone(own, start).dense()
        else:
            backbone = spconv_backbone(features.shape[1]).eval()
            backbone.load_state_dict(own)
            dense = backbone(start).dense()
    count, channels, depth, height, width = dense.shape
    return dense.view(count, channels * depth, height, width)


def _residual_backbone(state: State, x: Any) -> Any:
    """VoxelResBackBone8x, with each bias added behind its convolution: spconv has none on CPUs."""
    import spconv.pytorch as spconv
    from spconv.core import ConvAlgo

    def conv(x: Any, name: str, key: str, **geometry: object) -> Any:
        weight = state[f"{name}.weight"]
        kind, sides = (spconv.SparseConv3d if geometry else spconv.SubMConv3d), tuple(weight.shape[1:4])
        layer = kind(weight.shape[4], len(weight), sides, bias=False, indice_key=key, algo=ConvAlgo.Native, **geometry)
        layer.weight.data = weight
        y = layer(x)
        return y.replace_feature(y.features + state.get(f"{name}.bias", torch.zeros(())))

    def norm(x: Any, name: str) -> Any:
        return x.replace_feature(_norm(state, name, x.features, 1e-3))

    def relu(x: Any) -> Any:
        return x.replace_feature(functional.relu(x.features))

    def block(x: Any, name: str, key: str) -> Any:
        y = relu(norm(conv(x, f"{name}.conv1", key), f"{name}.bn1"))
        y = norm(conv(y, f"{name}.conv2", key), f"{name}.bn2")
        return relu(y.replace_feature(y.features + x.features))

    x = relu(norm(conv(x, "conv_input.0", "subm1"), "conv_input.1"))
    x = block(block(x, "conv1.0", "res1"), "conv1.1", "res1")
    for level, padding in ((2, 1), (3, 1), (4, (0, 1, 1))):
        x = conv(x, f"conv{level}.0.0", f"down{level}", stride=2, padding=padding)
        x = relu(norm(x, f"conv{level}.0.1"))
        x = block(block(x, f"conv{level}.1", f"res{level}"), f"conv{level}.2", f"res{level}")
    return relu(norm(conv(x, "conv_out.0", "out", stride=(2, 1, 1), padding=0), "conv_out.1"))


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
