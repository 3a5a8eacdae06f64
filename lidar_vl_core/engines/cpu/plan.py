"""From layers of a sparse network to fused layers: fewer, larger steps that write each activation once."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT


@dataclass(frozen=True)
class Term:
    """One product of a sum: sum_k x[neighbour k] @ weight[k]; without a table it is x @ weight[0]."""

    x: str
    table: str
    weight: np.ndarray  # (K, C_in, C_out) float32


@dataclass(frozen=True)
class FusedLayer:
    """y = relu?(bias + residual? + sum of terms), computed block by block."""

    output: str
    level: int
    bias: np.ndarray  # (C_out,) float32
    terms: tuple[Term, ...] = ()
    residual: str = ""
    relu: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Values that must exist before this layer runs."""
        return tuple(term.x for term in self.terms) + ((self.residual,) if self.residual else ())


@dataclass(frozen=True)
class FusedPlan:
    """Layers in execution order; `output` is the value that holds the logits."""

    layers: tuple[FusedLayer, ...]
    output: str


def plan_network(graph: SparseGraph) -> FusedPlan:
    """Fuse bias, additions and ReLU into the convolution before them.

    A concatenation costs nothing: a layer over concatenated inputs is a sum of one term per input.
    """
    planner = _Planner(graph)
    for node in graph.nodes:
        planner.place(node)
    return planner.finish()


class _Planner:
    def __init__(self, graph: SparseGraph) -> None:
        self.uses = Counter(name for node in graph.nodes for name in node.inputs)
        self.level = {FEATURES: 0} | {node.output: node.level for node in graph.nodes}
        self.layers: dict[str, FusedLayer] = {}  # by output, in execution order
        # A value is one or several computed values side by side: (name, channels) of each.
        self.parts: dict[str, list[tuple[str, int]]] = {FEATURES: [(FEATURES, graph.in_channels)]}

    def place(self, node: GraphNode) -> None:
        match node.op:
            case "concat":
                self.parts[node.output] = [part for name in node.inputs for part in self.parts[name]]
            case "identity":
                self.parts[node.output] = self.parts[node.inputs[0]]
            case "add":
                self._append(self._sum(node))
            case "relu":
                self._append(self._rectified(node))
            case _:
                terms = self._terms(node.inputs[0], node.table, _given(node.weight))
                self._append(FusedLayer(node.output, node.level, _given(node.bias), terms))

    def finish(self) -> FusedPlan:
        output = self._computed(OUTPUT)
        if output == FEATURES:  # a network that only passes on: every plan has a layer
            channels = self.parts[FEATURES][0][1]
            self._append(FusedLayer(OUTPUT, 0, np.zeros(channels, np.float32), residual=FEATURES))
            output = OUTPUT
        return FusedPlan(tuple(self.layers.values()), output)

    def _rectified(self, node: GraphNode) -> FusedLayer:
        (x,) = node.inputs
        if self._is_open(x):
            return replace(self.layers.pop(x), output=node.output, relu=True)
        zeros = np.zeros(node.channels, np.float32)
        return FusedLayer(node.output, node.level, zeros, residual=self._computed(x), relu=True)

    def _sum(self, node: GraphNode) -> FusedLayer:
        a, b = node.inputs
        opened = [name for name in (a, b) if a != b and self._is_open(name)]
        if len(opened) == 2 and not (self.layers[a].residual and self.layers[b].residual):
            first, second = self.layers.pop(a), self.layers.pop(b)
            bias, terms = first.bias + second.bias, first.terms + second.terms
            return FusedLayer(node.output, node.level, bias, terms, first.residual or second.residual)
        for name in opened:
            if not self.layers[name].residual:
                residual = self._computed(b if name == a else a)
                return replace(self.layers.pop(name), output=node.output, residual=residual)
        identity = np.eye(node.channels, dtype=np.float32)[None]
        zeros = np.zeros(node.channels, np.float32)
        return FusedLayer(node.output, node.level, zeros, self._terms(a, "", identity), self._computed(b))

    def _terms(self, x: str, table: str, weight: np.ndarray) -> tuple[Term, ...]:
        """One term per part of x, each with its rows of the weight."""
        ends = np.cumsum([channels for _, channels in self.parts[x]])
        pieces = np.split(weight, ends[:-1], axis=1)
        return tuple(Term(name, table, piece) for (name, _), piece in zip(self.parts[x], pieces, strict=True))

    def _computed(self, x: str) -> str:
        """Name of one computed value equal to x; a concatenation that nobody convolves is copied together here."""
        parts = self.parts[x]
        if len(parts) == 1:
            return parts[0][0]
        channels = sum(width for _, width in parts)
        copy = self._terms(x, "", np.eye(channels, dtype=np.float32)[None])
        self._append(FusedLayer(f"{x} in one piece", self.level[x], np.zeros(channels, np.float32), copy))
        self.parts[x] = [(f"{x} in one piece", channels)]
        return self.parts[x][0][0]

    def _is_open(self, x: str) -> bool:
        """Whether the layer that computes x may still take in the only layer that reads x."""
        return x in self.layers and self.uses[x] == 1 and not self.layers[x].relu

    def _append(self, layer: FusedLayer) -> None:
        self.layers[layer.output] = layer
        self.parts[layer.output] = [(layer.output, len(layer.bias))]


def _given(array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise ValueError("a weighted layer without weights")  # read_sparse_graph never makes one
    return array
