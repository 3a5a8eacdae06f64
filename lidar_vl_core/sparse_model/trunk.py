"""A model file of an embedding network without its last layer, which depends on the words and is applied elsewhere."""

from typing import TYPE_CHECKING

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.graph import read_sparse_graph, split_head
from lidar_vl_core.sparse_model.onnx_form import OUTPUT

if TYPE_CHECKING:
    import onnx


def trunk_model(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model whose "logits" are the input of its last linear layer, as split_head() has it. Raises BadModelPackage."""
    import onnx
    from onnx import TensorProto, helper

    trunk, _ = split_head(read_sparse_graph(model))
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    *body, head, answer = cut.graph.node  # the answer: an Identity, or the cast of a model in half
    if head.op_type != "Gemm" or list(answer.input) != list(head.output):
        raise bad_model("an embedding network that ends in its linear layer", head.op_type)
    unread = set(head.input[1:])
    answer.input[:] = head.input[:1]
    weights = [tensor for tensor in cut.graph.initializer if tensor.name not in unread]
    told = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N0", trunk.out_channels])
    graph = helper.make_graph([*body, answer], cut.graph.name, list(cut.graph.input), [told], initializer=weights)
    cut.graph.CopyFrom(graph)
    return cut
