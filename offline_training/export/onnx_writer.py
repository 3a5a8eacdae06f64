"""A trained MinkUNet as a sparse ONNX graph: batch norms folded into the convolutions before them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from torch import nn

from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from offline_training.export.folding import as_array, folded
from offline_training.networks.sparse.convolution import DownConv, SubmanifoldConv, UpConv, WideConv
from offline_training.networks.sparse.minkunet import LEVELS, BasicBlock, DownStage, MinkUNet, SubmanifoldUnit, UpStage

if TYPE_CHECKING:
    import onnx

ModuleT = TypeVar("ModuleT", bound=nn.Module)
_Conv = SubmanifoldConv | WideConv | DownConv | UpConv


def onnx_model(network: MinkUNet, name: str) -> "onnx.ModelProto":
    """The network in evaluation mode, float32. Raises TypeError for a network without a head."""
    graph = SparseGraphBuilder(network.in_channels, LEVELS, name, has_wide=network.shape.stem_kernel == 5)
    x = "features"
    for unit in _of_type(SubmanifoldUnit, network.stem):
        x = graph.relu(_conv(graph, x, unit.conv, unit.norm, 0))
    skips = [x]
    for level, stage in enumerate(_of_type(DownStage, network.down)):
        x = graph.relu(_conv(graph, x, stage.conv, stage.norm, level))
        for block in _of_type(BasicBlock, stage.blocks):
            x = _block(graph, x, block, level + 1)
        skips.append(x)
    for level, up_stage in zip((3, 2, 1, 0), _of_type(UpStage, network.up), strict=True):
        x = graph.relu(_conv(graph, x, up_stage.conv, up_stage.norm, level))
        x = graph.concat(x, skips[level])
        for block in _of_type(BasicBlock, up_stage.blocks):
            x = _block(graph, x, block, level)
    head = network.head
    if head is None:
        raise TypeError("expected a network with a head, found one for pre-training")
    bias = np.zeros(head.out_features, np.float32) if head.bias is None else as_array(head.bias)
    return graph.finish(graph.linear(x, as_array(head.weight.t()), bias))


def _block(graph: SparseGraphBuilder, x: str, block: BasicBlock, level: int) -> str:
    y = graph.relu(_conv(graph, x, block.conv1, block.norm1, level))
    y = _conv(graph, y, block.conv2, block.norm2, level)
    if block.shortcut is not None:
        weight, bias = folded(as_array(block.shortcut.linear.weight.t())[None], block.shortcut.norm)
        x = graph.linear(x, weight[0], bias)
    return graph.relu(graph.add(y, x))


def _conv(graph: SparseGraphBuilder, x: str, conv: _Conv, norm: nn.BatchNorm1d, level: int) -> str:
    weight, bias = folded(as_array(conv.weight), norm)
    if isinstance(conv, UpConv):
        return graph.sparse_inverse_conv(x, level, weight, bias)
    kind = "child" if isinstance(conv, DownConv) else "wide" if isinstance(conv, WideConv) else "subm"
    return graph.sparse_conv(x, f"{kind}{level}", weight, bias)


def _of_type(kind: type[ModuleT], modules: nn.ModuleList) -> Iterator[ModuleT]:
    for module in modules:
        if not isinstance(module, kind):
            raise TypeError(f"expected a {kind.__name__}, found a {type(module).__name__}")
        yield module
