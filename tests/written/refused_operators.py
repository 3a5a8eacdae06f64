"""What TensorRT refuses in a model file."""

from collections.abc import Iterator

import onnx

_ALWAYS = {"NonZero", "Unique"}
_WITH_REDUCTION = {"ScatterND", "ScatterElements"}


def refused_operators(model: onnx.ModelProto) -> list[str]:
    """Nodes of a file, in functions and in branches too, that TensorRT refuses to parse."""
    return [
        f"{node.op_type} {node.name}"
        for nodes in (model.graph.node, *(function.node for function in model.functions))
        for node in _all(nodes)
        if node.op_type in _ALWAYS or (node.op_type in _WITH_REDUCTION and _reduction(node) != "none")
    ]


def _all(nodes: list[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)


def _reduction(node: onnx.NodeProto) -> str:
    return next((attribute.s.decode() for attribute in node.attribute if attribute.name == "reduction"), "none")
