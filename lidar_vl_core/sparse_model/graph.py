"""SparseGraph: what the engines read from a model file, checked once for all of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.conv_bodies import DOMAIN, SPARSE_CONV, WIDE_CONV
from lidar_vl_core.sparse_model.int8_form import Int8Factors, int8_factors
from lidar_vl_core.sparse_model.model_file import require_sound_model, require_valid_model
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, WIDE, kind_and_level, levels_of, table_names
from lidar_vl_core.sparse_model.precision import as_float32

if TYPE_CHECKING:
    import onnx

# By operation: the kinds of table it may read; "" is no table.
_KINDS = {"sparse_conv": {"subm", "child", "strided", "wide"}, "sparse_inverse_conv": {"up"}, "linear": {""}}
_KERNELS = {
    "subm": 27,
    "child": 8,
    "up": 8,
    "wide": 125,
}  # neighbours per row; a strided table has as many columns as it has
_ARITY = {"sparse_conv": 4, "sparse_inverse_conv": 4, "linear": 3, "add": 2, "concat": 2, "relu": 1, "identity": 1}
_PLAIN_OPS = {"Add": "add", "Relu": "relu", "Concat": "concat", "Gemm": "linear", "Identity": "identity"}
_MOST_CHANNELS = 8192  # of a value; a row of each voxel
_VALUE_NAME = re.compile(r"\w{1,200}", re.ASCII)
_SPARSE_OPS = {SPARSE_CONV: "sparse_conv", WIDE_CONV: "sparse_conv", "SparseInverseConv": "sparse_inverse_conv"}


@dataclass(frozen=True)
class GraphNode:
    """One layer. `inputs` are value names; tables and weights are separate fields."""

    op: str  # "sparse_conv", "sparse_inverse_conv", "linear", "add", "relu", "concat" or "identity"
    inputs: tuple[str, ...]
    output: str
    level: int  # of the output
    channels: int  # of the output
    table: str = ""  # "subm0", "child0", "strided0", "up0", ...; empty where the layer has none
    weight: np.ndarray | None = None  # (K, C_in, C_out) float32; K is 1 for "linear"
    bias: np.ndarray | None = None  # (C_out,) float32
    int8: Int8Factors | None = None  # of a convolution in int8, whose `weight` is that of the factors in float32


@dataclass(frozen=True)
class SparseGraph:
    """A sparse network in execution order; widths and levels of all its values fit together."""

    in_channels: int
    out_channels: int
    levels: int
    nodes: tuple[GraphNode, ...]  # the last one's output is "logits"; its level is that of the answer

    @property
    def table_names(self) -> list[str]:
        """Kernel maps that the file of a U-Net has as inputs, in its order."""
        return table_names(self.levels, any(node.table == WIDE for node in self.nodes))


def read_sparse_graph(model: "onnx.ModelProto") -> SparseGraph:
    """Read the layers of a model written by SparseGraphBuilder, in any precision; the weights are float32, or int8.

    Raises BadModelPackage for external data, an unknown operator, and for shapes or levels that do not fit.
    """
    require_sound_model(model, "model.onnx")
    single = as_float32(model)
    graph = single.graph
    inputs = {value.name: value for value in graph.input}
    levels = sum(name.startswith("subm") for name in inputs)
    names = table_names(levels, WIDE in inputs)
    if set(inputs) != {FEATURES, *names} or [value.name for value in graph.output] != [OUTPUT]:
        raise bad_model("inputs features, subm*, child*, up*, optionally wide0, and output logits", sorted(inputs))
    tables = {name: _KERNELS[kind_and_level(name)[0]] for name in names}
    sparse = read_sparse_nodes(single, graph.node, tables, OUTPUT)
    if sparse.table_names != names:
        raise bad_model(f"a convolution that reads {WIDE}, which is an input", "none")
    if sparse.nodes[-1].level != 0:
        raise bad_model("the last node to compute logits at level 0", sparse.nodes[-1].output)
    require_valid_model(model, "model.onnx")
    return with_int8(sparse, model)


def with_int8(graph: SparseGraph, model: "onnx.ModelProto") -> SparseGraph:
    """The graph read of a model in float32, with the factors of those convolutions that `model`, the file, has in int8."""
    factors = int8_factors(model)
    return replace(graph, nodes=tuple(replace(node, int8=factors.get(node.output)) for node in graph.nodes))


def read_sparse_nodes(
    model: "onnx.ModelProto", nodes: "Sequence[onnx.NodeProto]", tables: Mapping[str, int], output: str
) -> SparseGraph:
    """The layers of nodes that begin with the features and end with an Identity to `output`, here called "logits".

    tables: neighbours per row of each table that is an input. Raises BadModelPackage as read_sparse_graph().
    """
    features = next(value for value in model.graph.input if value.name == FEATURES)
    dims = features.type.tensor_type.shape.dim
    in_channels = dims[1].dim_value if len(dims) == 2 else 0
    if in_channels < 1:
        raise bad_model("features (N0, a fixed number of channels)", [dim.dim_param or dim.dim_value for dim in dims])
    _require_own_names(model.graph)
    reader = _Reader(_initializers(model.graph), {FEATURES: (0, in_channels)}, tables, output)
    layers = tuple(reader.read(node) for node in nodes)
    if not layers or layers[-1].output != OUTPUT:
        raise bad_model(f"the last node to compute {output}", layers[-1].output if layers else "no nodes")
    levels = 1 + max((max(levels_of(name)) for name in tables), default=0)
    return SparseGraph(in_channels, layers[-1].channels, levels, layers)


@dataclass(frozen=True)
class LinearHead:
    """The last layer of a network whose answers are embeddings: features (M, F) -> features @ weight + bias, (M, C)."""

    weight: np.ndarray  # (F, C) float32
    bias: np.ndarray  # (C,) float32


def split_head(graph: SparseGraph) -> tuple[SparseGraph, LinearHead]:
    """The network up to its last linear layer, whose logits are then that layer's input, and the layer itself.

    Raises BadModelPackage where the last layer is another, or its result is read elsewhere.
    """
    if len(graph.nodes) < 2:
        raise bad_model("an embedding network whose last layer is linear", "a network of one layer")
    *body, head, output = graph.nodes
    readers = sum(node.inputs.count(head.output) for node in graph.nodes)
    if (
        head.op != "linear"
        or head.weight is None
        or head.bias is None
        or (output.inputs, readers) != ((head.output,), 1)
    ):
        raise bad_model("an embedding network whose last layer is linear and feeds nothing else", head.op)
    features = len(head.weight[0])
    last = GraphNode("identity", head.inputs, OUTPUT, 0, features)
    return SparseGraph(graph.in_channels, features, graph.levels, (*body, last)), LinearHead(head.weight[0], head.bias)


class _Reader:
    """Turns nodes into layers, keeping the level and the width of every value seen so far."""

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        known: dict[str, tuple[int, int]],
        tables: Mapping[str, int],
        output: str,
    ) -> None:
        self.weights = weights
        self.known = known
        self.tables = tables
        self.output = output

    def read(self, node: "onnx.NodeProto") -> GraphNode:
        known_ops = _SPARSE_OPS if node.domain == DOMAIN else _PLAIN_OPS if node.domain == "" else {}
        op = known_ops.get(node.op_type)
        if op is None or (len(node.input), len(node.output)) != (_ARITY[op], 1):
            wanted = [*_SPARSE_OPS, *_PLAIN_OPS]
            raise bad_model(f"one of {wanted} with its inputs", f"{node.domain}:{node.op_type} of {list(node.input)}")
        layer = self._weighted(node, op) if op in _KINDS else self._plain(node, op)
        if not 1 <= layer.channels <= _MOST_CHANNELS:
            raise bad_model(f"values of 1 to {_MOST_CHANNELS} channels", f"{layer.channels} of {layer.output}")
        if not _VALUE_NAME.fullmatch(layer.output):
            raise bad_model(
                "value names of letters, digits and _, because engines add dots and more", repr(layer.output)
            )
        if layer.output in self.known or (op == "identity") != (layer.output == self.output):
            raise bad_model(
                f"every value computed once, and Identity for {self.output} only", f"{node.op_type} to {layer.output}"
            )
        self.known[layer.output] = (layer.level, layer.channels)
        return replace(layer, output=OUTPUT) if op == "identity" else layer

    def _weighted(self, node: "onnx.NodeProto", op: str) -> GraphNode:
        if op == "linear":
            _require_attributes(node, {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0})
        x, table = node.input[0], "" if op == "linear" else node.input[1]
        level, channels = self._value(x, node)
        kind = re.sub(r"\d+$", "", table)
        if kind not in _KINDS[op] or (table and table not in self.tables):
            raise bad_model(f"{node.name} with a table of {sorted(_KINDS[op])}", table)
        weight, bias = (self._weight(name, node) for name in node.input[-2:])
        if op == "linear" and weight.ndim == 2:
            weight = weight[None]
        kernel = self.tables[table] if table else 1
        if weight.ndim != 3 or weight.shape[:2] != (kernel, channels) or bias.shape != weight.shape[2:]:
            raise bad_model(
                f"{node.name} with weight ({kernel}, {channels}, C_out)", f"{weight.shape} and {bias.shape}"
            )
        from_level, to_level = levels_of(table) if table else (level, level)
        if from_level != level:
            raise bad_model(f"{node.name} reading level {from_level}", f"level {level}")
        return GraphNode(op, (x,), node.output[0], to_level, weight.shape[2], table, weight, bias)

    def _plain(self, node: "onnx.NodeProto", op: str) -> GraphNode:
        _require_attributes(node, {"axis": 1} if op == "concat" else {})
        values = [self._value(name, node) for name in node.input]
        one_level = len({level for level, _ in values}) == 1
        if not one_level or (op == "add" and values[0] != values[1]):
            raise bad_model(f"{node.name} over values of one level and width", values)
        channels = sum(width for _, width in values) if op == "concat" else values[0][1]
        return GraphNode(op, tuple(node.input), node.output[0], values[0][0], channels)

    def _value(self, name: str, node: "onnx.NodeProto") -> tuple[int, int]:
        if name not in self.known:
            raise bad_model(f"{node.name} reading a value computed before it", name)
        return self.known[name]

    def _weight(self, name: str, node: "onnx.NodeProto") -> np.ndarray:
        weight = self.weights.get(name)
        if weight is None or weight.dtype != np.float32:
            raise bad_model(f"{node.name} with float32 weights in the file", name)
        if not np.isfinite(weight).all():
            raise bad_model(f"{node.name} with finite weights", f"NaN or infinity in {name}")
        return weight


def _require_own_names(graph: "onnx.GraphProto") -> None:
    """Weights have names of their own: one with the name of an input would stand in for it, two of one name for each other."""
    counts = Counter([*(tensor.name for tensor in graph.initializer), *(value.name for value in graph.input)])
    taken = [name for name, count in counts.items() if count > 1]
    if taken:
        raise bad_model("inputs and weights of different names", sorted(taken))


def _initializers(graph: "onnx.GraphProto") -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    try:
        return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    except (ValueError, TypeError, KeyError) as error:
        raise bad_model("weights that fill their shapes", error) from error


def _require_attributes(node: "onnx.NodeProto", allowed: dict[str, float]) -> None:
    """Refuse attribute values that would change the arithmetic."""
    from onnx import helper

    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if allowed.get(attribute.name) != value:
            raise bad_model(f"{node.name} with {allowed or 'no attributes'}", f"{attribute.name} = {value}")
