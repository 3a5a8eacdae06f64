"""Networks made for tests, scans for them, and what their layers mean, computed slowly."""

import numpy as np
import onnx

from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph, read_sparse_graph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, SparseGraphBuilder, kind_and_level
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps


def computed_slowly(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> np.ndarray:
    """What the layers mean, in float64 and one row at a time per kernel offset."""
    values = {FEATURES: features.astype(np.float64)}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.output] = _layer(node, inputs, maps)
    return values[OUTPUT]


def _layer(node: GraphNode, inputs: list[np.ndarray], maps: KernelMaps) -> np.ndarray:
    match node.op:
        case "add":
            return inputs[0] + inputs[1]
        case "concat":
            return np.concatenate(inputs, axis=1)
        case "relu":
            return np.maximum(inputs[0], 0)
        case "identity":
            return inputs[0]
        case "linear":
            return inputs[0] @ node.weight[0] + node.bias
        case "sparse_conv":
            table = maps.table(*kind_and_level(node.table))
            padded = np.concatenate([inputs[0], np.zeros((1, inputs[0].shape[1]))])
            return sum((padded[table[:, k]] @ node.weight[k] for k in range(table.shape[1])), node.bias)
        case "sparse_inverse_conv":
            up = maps.up[int(node.table[-1])]
            y = np.empty((len(up), len(node.bias)))
            for k in range(8):
                y[up % 8 == k] = inputs[0][up[up % 8 == k] // 8] @ node.weight[k] + node.bias
            return y
    raise AssertionError(node.op)


def scan(voxels: int, seed: int, levels: int, channels: int) -> tuple[np.ndarray, KernelMaps]:
    rng = np.random.default_rng(seed)
    side = max(2, int((3 * voxels) ** (1 / 3)))
    coords = np.unique(rng.integers(0, side, (voxels, 3)), axis=0).astype(np.int32)
    maps = build_kernel_maps(coords, levels)
    return rng.normal(size=(len(coords), channels)).astype(np.float32), maps


class RandomNetwork:
    """Grows a network by random choices: any order of layers that the file form allows."""

    def __init__(self, seed: int, levels: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self.channels = int(self.rng.integers(1, 8))
        self.builder = SparseGraphBuilder(self.channels, levels, "random")
        self.levels = levels
        self.values = [(FEATURES, 0, self.channels)]

    def model(self, layers: int) -> onnx.ModelProto:
        for _ in range(layers):
            self.values.append(self._layer(*self.values[self.rng.integers(len(self.values))]))
        x, level, channels = self.values[-1]
        while level:
            width = self._width()
            x, level = self.builder.sparse_inverse_conv(x, level - 1, *self._weights(8, channels, width)), level - 1
            channels = width
        if self.rng.random() < 0.7:
            weight, bias = self._weights(1, channels, 5)
            x = self.builder.linear(x, weight[0], bias)
        return self.builder.finish(x)

    def _layer(self, x: str, level: int, channels: int) -> tuple[str, int, int]:
        twins = [name for name, *place in self.values if place == [level, channels]]
        neighbours = [(name, width) for name, other, width in self.values if other == level]
        width = self._width()
        choice = self.rng.choice(["subm", "down", "up", "linear", "add", "concat", "relu"])
        if choice == "down" and level + 1 < self.levels:
            return self.builder.sparse_conv(x, f"child{level}", *self._weights(8, channels, width)), level + 1, width
        if choice == "up" and level:
            weights = self._weights(8, channels, width)
            return self.builder.sparse_inverse_conv(x, level - 1, *weights), level - 1, width
        if choice == "linear":
            weight, bias = self._weights(1, channels, width)
            return self.builder.linear(x, weight[0], bias), level, width
        if choice == "add":
            return self.builder.add(x, twins[self.rng.integers(len(twins))]), level, channels
        if choice == "concat" and channels < 64:
            other, more = neighbours[self.rng.integers(len(neighbours))]
            return self.builder.concat(x, other), level, channels + more
        if choice == "relu":
            return self.builder.relu(x), level, channels
        return self.builder.sparse_conv(x, f"subm{level}", *self._weights(27, channels, width)), level, width

    def _width(self) -> int:
        return int(self.rng.choice([1, 3, 16, 20, 32, 48, 80]))

    def _weights(self, kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        weight = self.rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in)
        return weight.astype(np.float32), self.rng.normal(size=c_out).astype(np.float32)


def u_net() -> SparseGraph:
    rng = np.random.default_rng(5)

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in), rng.normal(size=c_out)

    g = SparseGraphBuilder(4, 2, "u-net")
    x = g.relu(g.sparse_conv(FEATURES, "subm0", *weights(27, 4, 32)))
    down = g.relu(g.sparse_conv(x, "child0", *weights(8, 32, 32)))
    y = g.relu(g.sparse_conv(down, "subm1", *weights(27, 32, 64)))
    shortcut, bias = weights(1, 32, 64)
    y = g.relu(g.add(g.sparse_conv(y, "subm1", *weights(27, 64, 64)), g.linear(down, shortcut[0], bias)))
    z = g.relu(g.sparse_conv(y, "subm1", *weights(27, 64, 64)))
    y = g.relu(g.add(g.sparse_conv(z, "subm1", *weights(27, 64, 64)), y))
    up = g.concat(g.relu(g.sparse_inverse_conv(y, 0, *weights(8, 64, 48))), x)
    head, bias = weights(1, 80, 7)
    return read_sparse_graph(g.finish(g.linear(up, head[0], bias)))
