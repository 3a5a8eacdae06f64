"""OpenPCDet's VoxelBackBone8x built from spconv, as the reference of ours; one thread and the native algorithm, or it races."""

import re
from collections import OrderedDict

from torch import Tensor, nn

from offline_training.networks.voxelnet.voxelnet import VoxelNet

SHAPE_ZYX = (40, 1024, 1024)


def foreign_state(network: VoxelNet, generation: int) -> dict[str, Tensor]:
    """Weights of ours under the names and in the layout of OpenPCDet, written down apart from the import's code."""
    names = {"input": "conv_input", "output": "conv_out"}
    state = {}
    for name, tensor in network.state_dict().items():
        unit, part = re.sub(r"\.norm(\.\w+)$|\.(weight)$", "", name), name.rsplit(".", 1)[1]
        unit = names.get(unit) or "conv{}.{}".format(int(unit.split(".")[1]) + 1, unit.split(".")[2])
        if ".norm." in name:
            state[f"{unit}.1.{part}"] = tensor.clone()
            continue
        sides = (1, 1, 3) if len(tensor) == 3 else (3, 3, 3)
        kernel = tensor.reshape(*sides, *tensor.shape[1:])  # x, y, z, C_in, C_out
        order = (4, 2, 1, 0, 3) if generation == 2 else (2, 1, 0, 3, 4)
        state[f"{unit}.0.weight"] = kernel.permute(order).contiguous().clone()
    return state


def spconv_backbone(in_channels: int = 4) -> nn.Module:
    """The network; call it with a SparseConvTensor of columns scan, z, y, x."""
    import spconv.pytorch as spconv
    from spconv.core import ConvAlgo

    def unit(kind: type, c_in: int, c_out: int, kernel: object, **geometry: object) -> nn.Module:
        conv = kind(c_in, c_out, kernel, bias=False, algo=ConvAlgo.Native, **geometry)
        return spconv.SparseSequential(conv, nn.BatchNorm1d(c_out, eps=1e-3, momentum=0.01), nn.ReLU())

    def subm(c_in: int, c_out: int, key: str) -> nn.Module:
        return unit(spconv.SubMConv3d, c_in, c_out, 3, padding=1, indice_key=key)

    def level(c_in: int, c_out: int, key: str, padding: object) -> nn.Module:
        down = unit(spconv.SparseConv3d, c_in, c_out, 3, stride=2, padding=padding, indice_key=f"down{key}")
        return spconv.SparseSequential(down, subm(c_out, c_out, key), subm(c_out, c_out, key))

    return spconv.SparseSequential(
        OrderedDict(
            conv_input=subm(in_channels, 16, "subm1"),
            conv1=spconv.SparseSequential(subm(16, 16, "subm1")),
            conv2=level(16, 32, "subm2", 1),
            conv3=level(32, 64, "subm3", 1),
            conv4=level(64, 64, "subm4", (0, 1, 1)),
            conv_out=unit(spconv.SparseConv3d, 64, 128, (3, 1, 1), stride=(2, 1, 1), padding=0, indice_key="out"),
        )
    )
