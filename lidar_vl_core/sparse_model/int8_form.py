"""Model files whose sparse convolutions multiply in int8: weights with one scale per output channel, inputs with one scale from calibration.

The first layer stays float32, since metres and intensities share no scale, and so do the layers that are a small part of the
work: up-convolutions, heads, and what follows the sparse part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.conv_bodies import (
    QUANTIZED_CONV,
    SPARSE_CONV,
    float_bodies,
    quantized_sparse_conv_body,
)
from lidar_vl_core.sparse_model.onnx_form import FEATURES

if TYPE_CHECKING:
    import onnx

STEPS = 127  # of a sign: -128 has no counterpart


@dataclass(frozen=True, eq=False)
class Int8Factors:
    """The two factors of an int8 product: round(x / x_scale), within -128..127, and the weight."""

    x_scale: float
    weight: np.ndarray  # (K, C_in, C_out) int8
    weight_scale: np.ndarray  # (C_out,) float32, what one step of the weight is worth


def inputs_to_quantize(model: "onnx.ModelProto") -> list[str]:
    """Values of a float32 model whose scales in_int8() wants, in the order they are computed."""
    read = [node.input[0] for node in model.graph.node if node.op_type == SPARSE_CONV]
    return [name for name in dict.fromkeys(read) if name != FEATURES]


def in_int8(model: "onnx.ModelProto", scales: Mapping[str, float]) -> "onnx.ModelProto":
    """A float32 model with the convolutions that read these values in int8; scales: value of one int8 step."""
    import onnx
    from onnx import numpy_helper

    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in quantized.graph.initializer}
    added = []
    for node in quantized.graph.node:
        if node.op_type != SPARSE_CONV or node.input[0] not in scales:
            continue
        x, index, weight, bias = node.input
        values, weight_scale = _quantized(numpy_helper.to_array(weights[weight]))
        weights[weight].CopyFrom(numpy_helper.from_array(values, weight))
        of_weight, of_x = f"{weight}_scale", f"{node.name}.x_scale"
        added.append(numpy_helper.from_array(weight_scale, of_weight))
        added.append(numpy_helper.from_array(np.array(scales[x], np.float32), of_x))
        node.op_type = QUANTIZED_CONV
        node.input[:] = [x, index, weight, of_weight, of_x, bias]
    quantized.graph.initializer.extend(added)
    del quantized.functions[:]
    quantized.functions.extend([*float_bodies(quantized.graph.node), quantized_sparse_conv_body()])
    onnx.checker.check_model(quantized)
    return quantized


def is_in_int8(model: "onnx.ModelProto") -> bool:
    """Whether any sparse convolution of the model is quantized."""
    return any(node.op_type == QUANTIZED_CONV for node in model.graph.node)


def from_int8(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The float32 model with the weights of one in int8, and without its rounding of inputs.

    Raises BadModelPackage unless in_int8() can have made it.
    """
    import onnx
    from onnx import numpy_helper

    single = onnx.ModelProto()
    single.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in single.graph.initializer}
    scales = set()
    for node in single.graph.node:
        if node.op_type != QUANTIZED_CONV:
            continue
        if len(node.input) != 6 or not weights.keys() >= set(node.input[2:]):
            raise bad_model(f"{QUANTIZED_CONV} of x, a table and four weights in the file", list(node.input))
        x, index, weight, of_weight, of_x, bias = node.input
        values, weight_scale, x_scale = (numpy_helper.to_array(weights[name]) for name in (weight, of_weight, of_x))
        _require_scales(node.name, values, weight_scale, x_scale)
        weights[weight].CopyFrom(numpy_helper.from_array(values.astype(np.float32) * weight_scale, weight))
        scales |= {of_weight, of_x}
        node.op_type = SPARSE_CONV
        node.input[:] = [x, index, weight, bias]
    kept = [tensor for tensor in single.graph.initializer if tensor.name not in scales]
    del single.graph.initializer[:]
    single.graph.initializer.extend(kept)
    return single


def int8_factors(model: "onnx.ModelProto") -> dict[str, Int8Factors]:
    """The factors of every quantized convolution of a model that from_int8() reads, by the value it computes."""
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    factors = {}
    for node in model.graph.node:
        if node.op_type == QUANTIZED_CONV:
            values, weight_scale, x_scale = (numpy_helper.to_array(weights[name]) for name in node.input[2:5])
            factors[node.output[0]] = Int8Factors(float(x_scale), values, weight_scale)
    return factors


def _quantized(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, C_in, C_out) float32 as int8, and what one step is worth in each output channel, (C_out,) float32."""
    scale = np.maximum(np.abs(weight).max(axis=(0, 1)) / STEPS, np.finfo(np.float32).tiny).astype(np.float32)
    return np.clip(np.rint(weight / scale), -STEPS, STEPS).astype(np.int8), scale


def _require_scales(name: str, weight: np.ndarray, weight_scale: np.ndarray, x_scale: np.ndarray) -> None:
    shapes = (weight_scale.shape, x_scale.shape) == (weight.shape[2:], ())
    types = (weight.dtype, weight_scale.dtype, x_scale.dtype) == (np.int8, np.float32, np.float32)
    if weight.ndim != 3 or not shapes or not types or not (weight_scale > 0).all() or not x_scale > 0:
        raise bad_model(
            f"{name} with weight (K, C_in, C_out) int8 and positive float32 scales, one per output and one of the input",
            f"{weight.shape} {weight.dtype}, {weight_scale.shape} {weight_scale.dtype}, {x_scale.shape} {x_scale.dtype}",
        )
