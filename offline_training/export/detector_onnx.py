"""A trained detector, or VoxelNet for points, as one ONNX file: sparse encoder, map by an index, dense tail, all in evaluation mode and float32."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import nn

from lidar_vl_core.sparse_model.encoder_form import EncoderGraphBuilder
from lidar_vl_core.voxels.encoder_tables import STRIDED
from offline_training.export.folding import as_array, folded
from offline_training.networks.centerpoint.centerpoint import CenterHead
from offline_training.networks.detection.detector import Detector
from offline_training.networks.second.anchor_head import CLASS, CODE, DIRECTION, AnchorHead
from offline_training.networks.voxelnet.encoder import BiasedConv, ResidualUnit, TableUnit, VoxelEncoder
from offline_training.networks.voxelnet.voxelnet import VoxelNet

if TYPE_CHECKING:
    import onnx


def detector_onnx(detector: Detector[Any], map_shape: tuple[int, int, int], name: str) -> "onnx.ModelProto":
    """The network from voxels to the maps of its head; map_shape: cells along x, y, z. Raises TypeError for an unknown head."""
    graph = EncoderGraphBuilder(detector.backbone.in_channels, [conv.volume for conv in STRIDED], name)
    dense = graph.dense_map(write_encoder(graph, detector.backbone), map_shape)
    ups, x = [], dense
    for block, deblock in zip(detector.bev.blocks, detector.bev.deblocks, strict=True):
        x = _layers(graph, x, block)
        ups.append(_layers(graph, x, deblock))
    joined = ups[0]
    for up in ups[1:]:
        joined = graph.concat(joined, up)
    return graph.finish_maps(_head(graph, joined, detector.head))


def voxelnet_onnx(network: VoxelNet, name: str) -> "onnx.ModelProto":
    """The network from voxels to the scores of points. Raises TypeError for one without a head."""
    if network.head is None:
        raise TypeError("expected a network with a head, found one for pre-training")
    graph = EncoderGraphBuilder(network.in_channels, [conv.volume for conv in STRIDED], name)
    rows, head = write_encoder(graph, network), network.head
    bias = np.zeros(head.out_features, np.float32) if head.bias is None else as_array(head.bias)
    return graph.finish_points(rows, as_array(head.weight.t()), bias)


def write_encoder(graph: EncoderGraphBuilder, encoder: VoxelEncoder) -> str:
    """The sparse layers; returns the name of the rows (A, 128) of the map."""
    x = _unit(graph, "features", encoder.input, "subm0")
    for level, units in enumerate(encoder.levels):
        for position, unit in enumerate(cast(nn.ModuleList, units)):
            if isinstance(unit, ResidualUnit):
                x = _residual(graph, x, unit, f"subm{level}")
            else:
                table = f"strided{level - 1}" if level > 0 and position == 0 else f"subm{level}"
                x = _unit(graph, x, cast(TableUnit, unit), table)
    return _unit(graph, x, encoder.output, f"strided{len(encoder.levels) - 1}")


def _unit(graph: EncoderGraphBuilder, x: str, unit: TableUnit, table: str) -> str:
    return graph.relu(graph.sparse_conv(x, table, *folded(as_array(unit.weight), unit.norm)))


def _residual(graph: EncoderGraphBuilder, x: str, unit: ResidualUnit, table: str) -> str:
    y = graph.relu(graph.sparse_conv(x, table, *_biased(unit.conv1, unit.norm1)))
    return graph.relu(graph.add(graph.sparse_conv(y, table, *_biased(unit.conv2, unit.norm2)), x))


def _biased(conv: BiasedConv, norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    return folded(as_array(conv.weight), norm, as_array(conv.bias))


def _head(graph: EncoderGraphBuilder, x: str, head: nn.Module) -> dict[str, str]:
    """Maps of a head by their names."""
    if isinstance(head, AnchorHead):
        layers = {CLASS: head.conv_cls, CODE: head.conv_box, DIRECTION: head.conv_dir_cls}
        return {name: _layers(graph, x, layer) for name, layer in layers.items()}
    if isinstance(head, CenterHead):
        shared = _layers(graph, x, head.shared_conv)
        return {
            f"{name}_{number}": _layers(graph, shared, branch)
            for number, group in enumerate(head.heads_list)
            for name, branch in group.named_children()
        }
    raise TypeError(f"expected the head of SECOND or CenterPoint, found a {type(head).__name__}")


def _layers(graph: EncoderGraphBuilder, x: str, module: nn.Module) -> str:
    """2D layers one after another. Raises TypeError for one that has no form here."""
    layers = [layer for layer in module.modules() if not list(layer.children())]
    padding = 0
    for number, layer in enumerate(layers):
        norm = layers[number + 1] if number + 1 < len(layers) else None
        if isinstance(layer, nn.ZeroPad2d):
            (padding,) = set(layer.padding)
        elif isinstance(layer, nn.Conv2d):
            (own_padding,), (stride,) = set(cast(tuple[int, ...], layer.padding)), set(layer.stride)
            x = graph.conv2d(x, *_weights(layer, norm, 0), stride=stride, padding=own_padding + padding)
            padding = 0
        elif isinstance(layer, nn.ConvTranspose2d) and layer.stride == layer.kernel_size:
            x = graph.conv_transpose2d(x, *_weights(layer, norm, 1))
        elif isinstance(layer, nn.ReLU):
            x = graph.relu(x)
        elif not isinstance(layer, nn.BatchNorm2d):  # which stands in the weights of the convolution before it
            raise TypeError(f"expected 2D convolutions, norms and ReLU, found a {type(layer).__name__}")
    return x


def _weights(layer: nn.Conv2d | nn.ConvTranspose2d, norm: nn.Module | None, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution, with those of the norm behind it, if there is one."""
    weight, bias = as_array(layer.weight), None if layer.bias is None else as_array(layer.bias)
    if isinstance(norm, nn.BatchNorm2d):
        return folded(weight, norm, bias, axis)
    return weight, np.zeros(layer.out_channels, np.float32) if bias is None else bias
