"""SparseGraph: what the engines read from a model file, checked once, so that no engine meets a surprise."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lidar_vl_core.errors import BadModelPackage
from lidar_vl_core.sparse_onnx import DOMAIN, FEATURES, OUTPUT, table_names

if TYPE_CHECKING:
    import onnx

_KERNEL = {"subm": 27, "child": 8, "up": 8}
_PLAIN_OPS = {"Add": "add", "Relu": "relu", "Concat": "concat", "Gemm": "linear", "Identity": "identity"}
_SPARSE_OPS = {"SparseConv": "sparse_conv", "SparseInverseConv": "sparse_inverse_conv"}


@dataclass(frozen=True)
class GraphNode:
    """One layer. `inputs` are value names; tables and weights stand apart."""

    op: str  # "sparse_conv", "sparse_inverse_conv", "linear", "add", "relu", "concat" or "identity"
    inputs: tuple[str, ...]
    output: str
    level: int  # of the output
    channels: int  # of the output
    table: str = ""  # "subm0", "child0", "up0", ...; empty where the layer has none
    weight: np.ndarray | None = None  # (K, C_in, C_out) float32; K is 1 for "linear"
    bias: np.ndarray | None = None  # (C_out,) float32


@dataclass(frozen=True)
class SparseGraph:
    """A sparse network in execution order; widths and levels of all its values fit together."""

    in_channels: int
    out_channels: int
    levels: int
    nodes: tuple[GraphNode, ...]  # the last one's output is "logits"


def read_sparse_graph(model: "onnx.ModelProto") -> SparseGraph:
    """Read the layers of a model written by SparseGraphBuilder.

    Raises BadModelPackage for external data, an unknown operator, and for shapes or levels that do not fit.
    """
    graph = model.graph
    _require_single_file(model)
    inputs = {value.name: value for value in graph.input}
    levels = sum(name.startswith("subm") for name in inputs)
    if set(inputs) != {FEATURES, *table_names(levels)} or [value.name for value in graph.output] != [OUTPUT]:
        raise _bad("inputs features, subm*, child*, up* and output logits", sorted(inputs))
    in_channels = inputs[FEATURES].type.tensor_type.shape.dim[1].dim_value
    reader = _Reader(_initializers(graph), {FEATURES: (0, in_channels)}, levels)
    nodes = tuple(reader.read(node) for node in graph.node)
    if reader.known.get(OUTPUT, (None, 0))[0] != 0:
        raise _bad("logits computed at level 0", reader.known.get(OUTPUT))
    return SparseGraph(in_channels, reader.known[OUTPUT][1], levels, nodes)


class _Reader:
    """Turns nodes into layers, keeping the level and the width of every value seen so far."""

    def __init__(self, weights: dict[str, np.ndarray], known: dict[str, tuple[int, int]], levels: int) -> None:
        self.weights = weights
        self.known = known
        self.tables = set(table_names(levels))

    def read(self, node: "onnx.NodeProto") -> GraphNode:
        known_ops = _SPARSE_OPS if node.domain == DOMAIN else _PLAIN_OPS if node.domain == "" else {}
        op = known_ops.get(node.op_type)
        if op is None or len(node.output) != 1:
            raise _bad(f"one of {[*_SPARSE_OPS, *_PLAIN_OPS]}", f"{node.domain}:{node.op_type}")
        layer = (
            self._weighted(node, op)
            if op in ("sparse_conv", "sparse_inverse_conv", "linear")
            else self._plain(node, op)
        )
        self.known[layer.output] = (layer.level, layer.channels)
        return layer

    def _weighted(self, node: "onnx.NodeProto", op: str) -> GraphNode:
        _require_attributes(node, {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} if op == "linear" else None)
        x, *tables, weight_name, bias_name = list(node.input)
        level, channels = self._value(x, node)
        weight, bias = self._weight(weight_name, node), self._weight(bias_name, node)
        table = tables[0] if tables else ""
        if op == "linear":
            weight = weight[None] if weight.ndim == 2 else weight
        kind = "linear" if op == "linear" else _kind(table)
        fits = table in self.tables if table else op == "linear"
        kernel = 1 if op == "linear" else _KERNEL.get(kind, 0)
        if not fits or (kind == "up") != (op == "sparse_inverse_conv"):
            raise _bad(f"{node.name} with a table of its kind", table)
        if weight.ndim != 3 or weight.shape[:2] != (kernel, channels) or bias.shape != weight.shape[2:]:
            raise _bad(f"{node.name} with weight ({kernel}, {channels}, C_out)", f"{weight.shape} and {bias.shape}")
        from_level, to_level = _levels(table) if table else (level, level)
        if from_level != level:
            raise _bad(f"{node.name} reading level {from_level}", f"level {level}")
        return GraphNode(op, (x,), node.output[0], to_level, weight.shape[2], table, weight, bias)

    def _plain(self, node: "onnx.NodeProto", op: str) -> GraphNode:
        _require_attributes(node, {"axis": 1} if op == "concat" else {})
        values = [self._value(name, node) for name in node.input]
        arity = 2 if op in ("add", "concat") else 1
        same = len(values) == arity and len({level for level, _ in values}) == 1
        if not same or (op == "add" and values[0] != values[1]):
            raise _bad(f"{node.name} over {arity} values of one level and width", values)
        channels = sum(width for _, width in values) if op == "concat" else values[0][1]
        return GraphNode(op, tuple(node.input), node.output[0], values[0][0], channels)

    def _value(self, name: str, node: "onnx.NodeProto") -> tuple[int, int]:
        if name not in self.known:
            raise _bad(f"{node.name} reading a value computed before it", name)
        return self.known[name]

    def _weight(self, name: str, node: "onnx.NodeProto") -> np.ndarray:
        weight = self.weights.get(name)
        if weight is None or weight.dtype != np.float32:
            raise _bad(f"{node.name} with float32 weights in the file", name)
        return weight


def _levels(table: str) -> tuple[int, int]:
    """Level a layer with this table reads, and the level it writes."""
    level = int(table.removeprefix(_kind(table)))
    return {"subm": (level, level), "child": (level, level + 1), "up": (level + 1, level)}[_kind(table)]


def _kind(table: str) -> str:
    return re.sub(r"\d+$", "", table)


def _initializers(graph: "onnx.GraphProto") -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _require_single_file(model: "onnx.ModelProto") -> None:
    from onnx import external_data_helper

    tensors = list(model.graph.initializer)
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
    for tensor in tensors:
        if external_data_helper.uses_external_data(tensor) or tensor.external_data:
            places = {entry.key: entry.value for entry in tensor.external_data}
            raise BadModelPackage(
                f"model.onnx: expected all weights inside the file, found {tensor.name!r} kept outside at "
                f"{places.get('location', '?')!r}. Export it again with the weights inside."
            )


def _require_attributes(node: "onnx.NodeProto", allowed: dict[str, Any] | None) -> None:
    """Refuse attribute values that would change the arithmetic; None: the attributes are only hints for plugins."""
    from onnx import helper

    for attribute in node.attribute if allowed is not None else ():
        value = helper.get_attribute_value(attribute)
        if allowed.get(attribute.name) != value:
            raise _bad(f"{node.name} with {allowed or 'no attributes'}", f"{attribute.name} = {value}")


def _bad(expected: str, found: object) -> BadModelPackage:
    return BadModelPackage(
        f"model.onnx: expected {expected}, found {found}. Export the model again with `lidar-vl-train export`."
    )
