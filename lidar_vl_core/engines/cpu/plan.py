"""From layers of a sparse network to fused layers: fewer, larger steps that write each activation once."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph
from lidar_vl_core.sparse_model.int8_form import Int8Factors
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT


@dataclass(frozen=True)
class Term:
    """One product of a sum: sum_k x[neighbour k] @ weight[k]; without a table it is x @ weight[0]."""

    x: str
    table: str
    weight: np.ndarray  # (K, C_in, C_out) float32


@dataclass(frozen=True)
class Rounded:
    """Values side by side in int8: round(x / scale), within -128..127."""

    parts: tuple[tuple[str, int], ...]  # name and channels of each
    scale: float


@dataclass(frozen=True, eq=False)
class Int8Term:
    """As Term, multiplied in int8 and summed up in int32; one step of the sum is worth `scale`."""

    x: Rounded
    table: str
    weight: np.ndarray  # (K, C_in, C_out) int8
    scale: np.ndarray  # (C_out,) float32


@dataclass(frozen=True)
class FusedLayer:
    """y = relu?(bias + residual? + sum of terms), computed block by block."""

    output: str
    level: int
    bias: np.ndarray  # (C_out,) float32
    terms: tuple[Term, ...] = ()
    residual: str = ""
    relu: bool = False
    int8_terms: tuple[Int8Term, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Values that this layer reads in float32."""
        return tuple(term.x for term in self.terms) + ((self.residual,) if self.residual else ())

    @property
    def int8_inputs(self) -> tuple[Rounded, ...]:
        """What it reads in int8."""
        return tuple(term.x for term in self.int8_terms)


@dataclass(frozen=True)
class FusedPlan:
    """Layers in execution order; `output` is the value that holds the logits."""

    layers: tuple[FusedLayer, ...]
    output: str


def plan_network(graph: SparseGraph, in_int8: bool) -> FusedPlan:
    """Fuse bias, additions and ReLU into the convolution before them.

    A concatenation costs nothing: a layer over concatenated inputs is a sum of one term per input, or reads what its inputs
    wrote side by side. in_int8: multiply in int8 where the graph says so, else in float32 with the same weights.
    """
    planner = _Planner(graph, in_int8)
    for node in graph.nodes:
        planner.place(node)
    return planner.finish()


class _Planner:
    def __init__(self, graph: SparseGraph, in_int8: bool) -> None:
        self.in_int8 = in_int8
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
            case _ if self.in_int8 and node.int8 is not None and _fits_int32(node.int8):
                term = self._int8_term(node.inputs[0], node.table, node.int8)
                self._append(FusedLayer(node.output, node.level, _given(node.bias), int8_terms=(term,)))
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
            residual, int8_terms = first.residual or second.residual, first.int8_terms + second.int8_terms
            return FusedLayer(node.output, node.level, bias, terms, residual, int8_terms=int8_terms)
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

    def _int8_term(self, x: str, table: str, factors: Int8Factors) -> Int8Term:
        if any(name == FEATURES for name, _ in self.parts[x]):  # no layer computes them, and so none could round them
            zeros = np.zeros(self.parts[FEATURES][0][1], np.float32)
            self._append(FusedLayer("features again", 0, zeros, residual=FEATURES))
            again = {(FEATURES, len(zeros)): ("features again", len(zeros))}
            self.parts = {value: [again.get(part, part) for part in parts] for value, parts in self.parts.items()}
        scale = np.float32(factors.x_scale) * factors.weight_scale
        return Int8Term(Rounded(tuple(self.parts[x]), factors.x_scale), table, factors.weight, scale)

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


def _fits_int32(factors: Int8Factors) -> bool:
    """Whether no sum can leave int32, all neighbours being there and all bytes as large as they get, 255 and -128."""
    kernel, c_in, _ = factors.weight.shape
    return kernel * c_in * 255 * 128 < 2**31


def _given(array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise ValueError("a weighted layer without weights")  # read_sparse_graph never makes one
    return array
