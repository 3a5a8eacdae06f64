"""A trained WaffleIron as one ONNX file: batch norms and layer scales stand in the layers beside them, but for those before a mean over cells."""

from typing import TYPE_CHECKING, cast

import numpy as np
from torch import nn

from lidar_vl_core.sparse_model.flat_form import FlatGraphBuilder, Weights
from lidar_vl_core.voxels.flat_grids import FEATURES, NEIGHBOURS, PLANES
from offline_training.export.folding import as_array
from offline_training.networks.waffleiron.waffleiron import ChannelMix, Embedding, SpatialMix, WaffleIron, WaffleLayer

if TYPE_CHECKING:
    import onnx


def waffleiron_onnx(network: WaffleIron, grid_shapes: tuple[tuple[int, int], ...], name: str) -> "onnx.ModelProto":
    """The network in evaluation mode, float32, from points to scores. Raises TypeError for one without a head."""
    if network.head is None:
        raise TypeError("expected a network with a head, found one for pre-training")
    graph = FlatGraphBuilder(len(FEATURES), NEIGHBOURS, grid_shapes, name)
    x = _embed(graph, network.embedding)
    for index, layer in enumerate(network.layers):
        mixes = cast(WaffleLayer, layer)
        x = _spatial_mix(graph, x, mixes.spatial, index % len(PLANES))
        x = _channel_mix(graph, x, mixes.channel)
    return graph.finish(x, _linear(network.head))


def _embed(graph: FlatGraphBuilder, embedding: Embedding) -> str:
    norm = _norm(embedding.norm)
    # The shift of a norm is the same for a point and its neighbour, and so not in their difference.
    of_difference = _after((norm[0], np.zeros_like(norm[1])), _norm(embedding.neighbour_norm))
    neighbour1 = _before(of_difference, _linear(embedding.neighbour1))
    return graph.embed(
        own=_before(norm, _linear(embedding.own)),
        neighbour1=_after(neighbour1, _norm(embedding.neighbour_norm1)),
        neighbour2=_linear(embedding.neighbour2)[0],
        merge=_linear(embedding.merge),
    )


def _spatial_mix(graph: FlatGraphBuilder, x: str, mix: SpatialMix, plane: int) -> str:
    scale = as_array(mix.scale)
    conv1 = as_array(mix.conv1.weight), _bias(mix.conv1)
    conv2 = as_array(mix.conv2.weight) * scale[:, None, None, None], _bias(mix.conv2) * scale
    norm = mix.norm
    normed = _layer_norm(graph, x, norm) if isinstance(norm, nn.LayerNorm) else graph.scaled(x, _norm(norm))
    return graph.spatial_mix(x, normed, plane, conv1, conv2, mix.gelu)


def _channel_mix(graph: FlatGraphBuilder, x: str, mix: ChannelMix) -> str:
    scale = as_array(mix.scale)
    linear2 = _after(_linear(mix.linear2), (scale, np.zeros_like(scale)))
    if isinstance(mix.norm, nn.LayerNorm):
        return graph.channel_mix(x, _layer_norm(graph, x, mix.norm), _linear(mix.linear1), linear2, mix.gelu)
    return graph.channel_mix(x, x, _before(_norm(mix.norm), _linear(mix.linear1)), linear2, mix.gelu)


def _layer_norm(graph: FlatGraphBuilder, x: str, norm: nn.LayerNorm) -> str:
    return graph.layer_norm(x, (as_array(norm.weight), as_array(norm.bias)), norm.eps)


def _norm(norm: nn.BatchNorm1d) -> Weights:
    """A norm as factor (C,) and shift (C,)."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("expected norms with running statistics, found one without")
    factor = as_array(norm.weight) / np.sqrt(as_array(variance).astype(np.float64) + norm.eps)
    return factor.astype(np.float32), (as_array(norm.bias) - as_array(mean) * factor).astype(np.float32)


def _before(norm: Weights, linear: Weights) -> Weights:
    """The linear layer of x * factor + shift as one of x."""
    factor, shift = norm
    weight, bias = linear
    return factor[:, None] * weight, shift @ weight + bias


def _after(layer: Weights, norm: Weights) -> Weights:
    """A norm of a layer's answer in the layer."""
    factor, shift = norm
    return layer[0] * factor, layer[1] * factor + shift


def _linear(layer: nn.Linear) -> Weights:
    bias = np.zeros(layer.out_features, np.float32) if layer.bias is None else as_array(layer.bias)
    return as_array(layer.weight.t()), bias


def _bias(conv: nn.Conv2d) -> np.ndarray:
    return np.zeros(conv.out_channels, np.float32) if conv.bias is None else as_array(conv.bias)
