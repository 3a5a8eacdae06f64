"""Bodies of the sparse convolutions in plain operators, for who has no plugin for them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

DOMAIN = "lidar_vl"
OPSET = 18  # ScatterND with addition, Split and Pad in their present form; ONNX Runtime >= 1.14, TensorRT >= 10

# onnx-tensorrt looks for a plugin of the node's name in this namespace, and for its ahead-of-time implementation.
PLUGIN_ATTRIBUTES: dict[str, str | int] = {"plugin_namespace": DOMAIN, "aot": 1}


def sparse_conv_body() -> "onnx.FunctionProto":
    """Body of SparseConv(x (M, C_in), index (N, K), weight (K, C_in, C_out), bias): implicit GEMM over a zero row."""
    from onnx import helper

    nodes = [
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Shape", ["weight"], ["c_in"], start=1, end=2),
        helper.make_node("Concat", ["one", "c_in"], ["zero_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["zero_shape"], ["zero_row"]),
        helper.make_node("Concat", ["x", "zero_row"], ["padded"], axis=0),
        helper.make_node("Gather", ["padded", "index"], ["gathered"], axis=0),
        helper.make_node("Flatten", ["gathered"], ["rows"], axis=1),
        helper.make_node("Flatten", ["weight"], ["matrix"], axis=2),
        helper.make_node("MatMul", ["rows", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    return _body("SparseConv", ["x", "index", "weight", "bias"], nodes)


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
