"""A sparse network of ours in spconv, on the CPU, with the same weights. With more than one thread its CPU results are wrong."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lidar_vl_core.sparse_model.graph import SparseGraph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT
from lidar_vl_core.voxels.kernel_maps import KernelMaps


def spconv_network(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> Callable[[], np.ndarray] | None:
    """The same network in spconv with one thread, or None where spconv is not installed."""
    try:
        import spconv.pytorch as spconv
        import torch
    except ImportError:
        print("spconv is not installed (pip install 'lidar-vl[bench]'): measured without it", file=sys.stderr)
        return None
    layers = {}
    for node in graph.nodes:
        if node.op.startswith("sparse") and node.weight is not None:
            layers[node.output] = _spconv_layer(node.op, node.table, node.weight)
    bias = {node.output: torch.from_numpy(node.bias.copy()) for node in graph.nodes if node.bias is not None}
    matrix = {
        n.output: torch.from_numpy(n.weight[0].copy()) for n in graph.nodes if n.op == "linear" and n.weight is not None
    }
    indices = torch.from_numpy(np.pad(maps.coords[0], ((0, 0), (1, 0))))
    shape = [int(size) // 32 * 32 + 32 for size in maps.coords[0].max(axis=0)]
    cached_indices: dict = {}

    def run() -> np.ndarray:
        start = spconv.SparseConvTensor(torch.from_numpy(features), indices, shape, 1, indice_dict=dict(cached_indices))
        values = {FEATURES: start}
        with _one_torch_thread(), torch.inference_mode():
            for node in graph.nodes:
                x = values[node.inputs[0]]
                if node.output in layers:
                    y = layers[node.output](x)
                    y = y.replace_feature(y.features + bias[node.output])
                elif node.op == "linear":
                    y = x.replace_feature(torch.addmm(bias[node.output], x.features, matrix[node.output]))
                elif node.op == "add":
                    y = x.replace_feature(x.features + values[node.inputs[1]].features)
                elif node.op == "concat":
                    y = x.replace_feature(torch.cat([x.features, values[node.inputs[1]].features], dim=1))
                else:
                    y = x.replace_feature(torch.relu(x.features)) if node.op == "relu" else x
                values[node.output] = y
            built = values[OUTPUT].indice_dict
            cached_indices.update({key: built[key] for key in built if key.startswith("subm")})
            return values[OUTPUT].features.numpy()

    return run


def _spconv_layer(op: str, table: str, weight: np.ndarray):
    import spconv.pytorch as spconv
    import torch
    from spconv.core import ConvAlgo

    kernel, c_in, c_out = weight.shape
    if op == "sparse_inverse_conv":
        layer = spconv.SparseInverseConv3d(
            c_in, c_out, 2, table.replace("up", "child"), bias=False, algo=ConvAlgo.Native
        )
    elif kernel == 8:
        layer = spconv.SparseConv3d(c_in, c_out, 2, 2, bias=False, indice_key=table, algo=ConvAlgo.Native)
    else:
        layer = spconv.SubMConv3d(c_in, c_out, 3, bias=False, indice_key=table, algo=ConvAlgo.Native)
    side = 3 if kernel == 27 else 2
    own_order = weight.transpose(2, 0, 1).reshape(c_out, side, side, side, c_in)
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(own_order))
    return layer.eval()


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
