"""An image tower followed by the adapter of 3DSS-VLG as an ONNX graph: its features are in the space that the 3D network learned."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from offline_training.networks.adapter import TextAdapter

if TYPE_CHECKING:
    import onnx

_OUTPUT, _RAW, _WEIGHT, _BIAS = "features", "features_before_adapter", "adapter.weight", "adapter.bias"


def with_adapter(graph: "onnx.ModelProto", adapter: TextAdapter) -> "onnx.ModelProto":
    """The graph of a tower with output `features` (1, C, h, w), followed by the adapter, which is affine and so a 1x1 convolution."""
    import onnx
    from onnx import helper, numpy_helper

    adapted = onnx.ModelProto()
    adapted.CopyFrom(graph)
    for node in adapted.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == _OUTPUT:
                    names[place] = _RAW
    weight, bias = _affine(adapter)
    adapted.graph.initializer.extend(
        [numpy_helper.from_array(weight[:, :, None, None], _WEIGHT), numpy_helper.from_array(bias, _BIAS)]
    )
    adapted.graph.node.append(helper.make_node("Conv", [_RAW, _WEIGHT, _BIAS], [_OUTPUT], kernel_shape=[1, 1]))
    onnx.checker.check_model(adapted)
    return adapted


def _affine(adapter: TextAdapter) -> tuple[np.ndarray, np.ndarray]:
    """(C, C) and (C,) float32: matrix and bias of the adapter, from its outputs for unit vectors and 0."""
    with torch.no_grad():
        bias = adapter(torch.zeros(adapter.channels))
        weight = (adapter(torch.eye(adapter.channels)) - bias).T
    return np.ascontiguousarray(weight.numpy(), np.float32), bias.numpy().astype(np.float32)
