"""Bodies of the sparse convolutions in plain operators, for runtimes without a plugin for them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

DOMAIN = "lidar_vl"
SPARSE_CONV, QUANTIZED_CONV = "SparseConv", "QuantizedSparseConv"
WIDE_CONV = "WideSparseConv"  # with a name of its own, as the plugin for SparseConv takes 27 neighbours
OPSET = 18  # ScatterND with addition, Split and Pad in their present form; ONNX Runtime >= 1.14, TensorRT >= 10

# onnx-tensorrt looks for a plugin of the node's name in this namespace, and for its ahead-of-time implementation.
PLUGIN_ATTRIBUTES: dict[str, str | int] = {"plugin_namespace": DOMAIN, "aot": 1}


def float_bodies(nodes: "Iterable[onnx.NodeProto]") -> "list[onnx.FunctionProto]":
    """Bodies for a graph of these nodes without int8; that of a 5^3 convolution only where there is one."""
    wide = [sparse_conv_body(WIDE_CONV)] if any(node.op_type == WIDE_CONV for node in nodes) else []
    return [sparse_conv_body(), sparse_inverse_conv_body(), *wide]


def sparse_conv_body(name: str = SPARSE_CONV) -> "onnx.FunctionProto":
    """Body of SparseConv(x (M, C_in), index (N, K), weight (K, C_in, C_out), bias): implicit GEMM over a zero row.

    All of one floating point type, whichever.
    """
    from onnx import helper

    nodes = [
        *_gathered("x", "rows"),
        helper.make_node("Flatten", ["weight"], ["matrix"], axis=2),
        helper.make_node("MatMul", ["rows", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    return _body(name, ["x", "index", "weight", "bias"], nodes)


def quantized_sparse_conv_body() -> "onnx.FunctionProto":
    """Body of QuantizedSparseConv: SparseConv with its product in int8.

    Inputs: x (M, C_in) float32, index (N, K), weight (K, C_in, C_out) int8, weight_scale (C_out,) and x_scale () float32,
    bias. Rows are rounded before they are gathered, so that a quarter of the bytes is moved. Both factors of the product come
    from a DequantizeLinear, by which runtimes know one in int8; TensorRT wants that of a weight next to the weight.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    zero = numpy_helper.from_array(np.array(0, np.int8))
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=zero),
        helper.make_node("QuantizeLinear", ["x", "x_scale", "zero"], ["x_int8"]),
        *_gathered("x_int8", "rows_int8"),
        helper.make_node("DequantizeLinear", ["rows_int8", "x_scale", "zero"], ["rows"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale"], ["weight_float"], axis=2),
        helper.make_node("Flatten", ["weight_float"], ["matrix"], axis=2),
        helper.make_node("MatMul", ["rows", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    return _body(QUANTIZED_CONV, ["x", "index", "weight", "weight_scale", "x_scale", "bias"], nodes)


def sparse_inverse_conv_body() -> "onnx.FunctionProto":
    """Body of SparseInverseConv(x (M, C_in), up (N,), weight (8, C_in, C_out), bias): all 8 children, then a choice."""
    from onnx import helper

    nodes = [
        helper.make_node("Transpose", ["weight"], ["by_input"], perm=[1, 0, 2]),
        helper.make_node("Flatten", ["by_input"], ["matrix"], axis=1),
        helper.make_node("MatMul", ["x", "matrix"], ["children"]),
        helper.make_node("Constant", [], ["all"], value_ints=[-1]),
        helper.make_node("Shape", ["bias"], ["c_out"]),
        helper.make_node("Concat", ["all", "c_out"], ["child_shape"], axis=0),
        helper.make_node("Reshape", ["children", "child_shape"], ["child_rows"]),
        helper.make_node("Gather", ["child_rows", "up"], ["chosen"], axis=0),
        helper.make_node("Add", ["chosen", "bias"], ["y"]),
    ]
    return _body("SparseInverseConv", ["x", "up", "weight", "bias"], nodes)


def _gathered(x: str, rows: str) -> "list[onnx.NodeProto]":
    """Nodes from x (M, C) to rows (N, K * C): the neighbours of each row side by side, row M being zero."""
    import numpy as np
    from onnx import helper, numpy_helper

    # As a tensor: onnx 1.16 does not find the shape of Pad by a list of numbers.
    one_row_behind = numpy_helper.from_array(np.array([0, 0, 1, 0], np.int64))
    return [
        helper.make_node("Constant", [], ["one_row_behind"], value=one_row_behind),
        helper.make_node("Pad", [x, "one_row_behind"], ["padded"]),
        helper.make_node("Gather", ["padded", "index"], ["gathered"], axis=0),
        helper.make_node("Flatten", ["gathered"], [rows], axis=1),
    ]


def _body(name: str, inputs: list[str], nodes: "list[onnx.NodeProto]") -> "onnx.FunctionProto":
    from onnx import helper

    return helper.make_function(
        DOMAIN,
        name,
        inputs,
        ["y"],
        nodes,
        [helper.make_opsetid("", OPSET)],
        attributes=list(PLUGIN_ATTRIBUTES),
    )
