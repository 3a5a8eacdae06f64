"""Model files in half precision: weights and activations in half, inputs and outputs cast from and to float32."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.conv_bodies import float_bodies

if TYPE_CHECKING:
    import onnx

_LARGEST = float(np.finfo(np.float16).max)


def in_half(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A float32 model computed in half; its inputs and outputs stay float32. Raises BadModelPackage for weights too large."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    half = onnx.ModelProto()
    half.CopyFrom(model)
    for tensor in half.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            weight = numpy_helper.to_array(tensor)
            if not np.abs(weight).max(initial=0.0) <= _LARGEST:
                raise bad_model(
                    f"weights within +-{_LARGEST:.0f}, the range of half precision", f"larger ones in {tensor.name}"
                )
            tensor.CopyFrom(numpy_helper.from_array(weight.astype(np.float16), tensor.name))
    inside = {name: f"{name}.half" for name in _floats(half)}
    nodes = [
        helper.make_node("Cast", [name], [cast], name=cast, to=TensorProto.FLOAT16) for name, cast in inside.items()
    ]
    outputs = {value.name for value in half.graph.output}
    for node in half.graph.node:
        names = [inside.get(name, name) for name in node.input]
        if node.output[0] in outputs:
            nodes.append(helper.make_node("Cast", names, list(node.output), name=node.name, to=TensorProto.FLOAT))
        else:
            nodes.append(_with_inputs(node, names))
    _replace_nodes(half, nodes)
    # An older file's own body has a zero row of float32.
    del half.functions[:]
    half.functions.extend(float_bodies(half.graph.node))
    onnx.checker.check_model(half)
    return half


def is_in_half(model: "onnx.ModelProto") -> bool:
    """Whether any weight of the model is in half, or anything is cast to it."""
    from onnx import TensorProto

    half_weight = any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return half_weight or any(_target(node) == TensorProto.FLOAT16 for node in model.graph.node)


def from_half(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The float32 model with exactly the weights of one in half. Raises BadModelPackage unless in_half() could have made it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    single = onnx.ModelProto()
    single.CopyFrom(model)
    for tensor in single.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
        elif tensor.data_type == TensorProto.FLOAT:
            raise bad_model("all weights in half, or none", f"{tensor.name} in float32")
    floats, outputs = _floats(single), {value.name for value in single.graph.output}
    outside: dict[str, str] = {}
    nodes = []
    for node in single.graph.node:
        if node.op_type == "Cast" and node.input[0] in floats and _target(node) == TensorProto.FLOAT16:
            outside[node.output[0]] = node.input[0]
            continue
        names = [outside.get(name, name) for name in node.input]
        if floats.intersection(node.input) or (node.output[0] in outputs) != (_target(node) == TensorProto.FLOAT):
            raise bad_model("a cast to half of every input and back of every output, and no other", node.name)
        is_answer = node.output[0] in outputs
        nodes.append(
            helper.make_node("Identity", names, list(node.output), name=node.name)
            if is_answer
            else _with_inputs(node, names)
        )
    _replace_nodes(single, nodes)
    return single


def _floats(model: "onnx.ModelProto") -> set[str]:
    """Inputs of the graph that are float32; the others are indices."""
    from onnx import TensorProto

    return {value.name for value in model.graph.input if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def _target(node: "onnx.NodeProto") -> int | None:
    """What a cast makes of its input; nothing for another node."""
    return next((each.i for each in node.attribute if each.name == "to"), None) if node.op_type == "Cast" else None


def _with_inputs(node: "onnx.NodeProto", names: list[str]) -> "onnx.NodeProto":
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = names
    return copy


def _replace_nodes(model: "onnx.ModelProto", nodes: "list[onnx.NodeProto]") -> None:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
