"""What a network with layers in int8 means, one row at a time per kernel offset: integers are integers of any size."""

import numpy as np

from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, kind_and_level
from lidar_vl_core.voxels.kernel_maps import KernelMaps


def rounded(values: np.ndarray, scale: float) -> np.ndarray:
    """int64: steps of a QuantizeLinear to int8, half to even."""
    steps = np.rint(values.astype(np.float32) * np.float32(1 / scale))
    return np.clip(steps, -128, 127).astype(np.int64)


def sums_of_products(x: np.ndarray, table: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N, C_out) int64: sum_k x[table[i, k]] @ weight[k], missing neighbours left out."""
    sums = np.zeros((len(table), weight.shape[2]), np.int64)
    for k in range(weight.shape[0]):
        for row, neighbour in enumerate(table[:, k]):
            if neighbour < len(x):
                sums[row] += x[neighbour] @ weight[k].astype(np.int64)
    return sums


def computed_in_int8(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> np.ndarray:
    """The answer of a network in float32 whose convolutions with factors in int8 multiply integers."""
    values = {FEATURES: features}
    for node in graph.nodes:
        values[node.output] = _layer(node, [values[name] for name in node.inputs], maps)
    return values[OUTPUT]


def _layer(node: GraphNode, inputs: list[np.ndarray], maps: KernelMaps) -> np.ndarray:
    x = inputs[0]
    match node.op:
        case "sparse_conv" if node.int8 is not None:
            factors, table = node.int8, maps.table(*kind_and_level(node.table))
            sums = sums_of_products(rounded(x, factors.x_scale), table, factors.weight)
            assert np.abs(sums).max(initial=0) < 2**31
            return sums.astype(np.float32) * (np.float32(factors.x_scale) * factors.weight_scale) + node.bias
        case "sparse_conv":
            table = maps.table(*kind_and_level(node.table))
            rows = np.vstack([x, np.zeros((1, x.shape[1]), np.float32)])[table]
            return np.einsum("nkc,kcd->nd", rows, node.weight) + node.bias
        case "sparse_inverse_conv":
            up = maps.table(*kind_and_level(node.table))
            return np.einsum("nc,ncd->nd", x[up // 8], node.weight[up % 8]) + node.bias
        case "linear":
            return x @ node.weight[0] + node.bias
        case "relu":
            return np.maximum(x, np.float32(0))
        case "add":
            return x + inputs[1]
        case "concat":
            return np.hstack(inputs)
    return x
