"""Speed of the network on the CPU: fused engine and ONNX Runtime beside spconv, interleaved in one process.

spconv's CPU convolutions race with themselves: only with one thread are its results right, so that is how it runs here.
Its submanifold indices are built before the clock starts (it does not let others be kept); our pair lists inside it.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.sparse_model.graph import SparseGraph, read_sparse_graph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, SparseGraphBuilder
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from tests.bench.core.fma_rate import measured_fma_rate
from tests.bench.core.scan import synthetic_scan

_IN_CHANNELS, _CLASSES, _LEVELS = 4, 16, 5
# planes of the eight stages and blocks per stage; the stem is two 3^3 convolutions of the given width
_NETWORKS = {
    "MinkUNet18A": (32, (32, 64, 128, 256, 128, 128, 96, 96), 2),
    "slim": (16, (32, 48, 64, 96, 96, 64, 48, 32), 1),
}
_VOXEL_SIZES_M = (0.117, 0.066)  # about 31k and 60k voxels
_REPEATS = 7


def measure() -> list[dict]:
    """Rows {name, value, unit, target, passed}: milliseconds, ratios to spconv, and share of the machine's multiply-add rate."""
    rows = []
    xyz_m = synthetic_scan(np.random.default_rng(3))
    cores = available_cores()
    peak = measured_fma_rate(cores)
    rows.append(_row(f"multiply-adds in registers, {cores} cores", peak, "GFLOP/s"))
    for voxel_size_m in _VOXEL_SIZES_M:
        maps = build_kernel_maps(_coords(xyz_m, voxel_size_m), _LEVELS)
        features = np.random.default_rng(4).normal(size=(maps.counts[0], _IN_CHANNELS)).astype(np.float32)
        for network in _NETWORKS:
            where = f"{network}, {maps.counts[0]} voxels"
            timed, answers, graph = _compare(network, features, maps, cores)
            rows += _rows(where, timed, answers, gflop(graph, maps) / peak, required=network == "MinkUNet18A")

    return rows


def _compare(
    network: str, features: np.ndarray, maps: KernelMaps, cores: int
) -> tuple[dict[str, list[float]], dict[str, np.ndarray], SparseGraph]:
    """Milliseconds of every engine in turn, again and again, so that a busy moment meets all of them."""
    from lidar_vl_core.engines.cpu.engine import FusedEngine
    from lidar_vl_core.engines.onnx_runtime import OnnxEngine

    model = build_network(*_NETWORKS[network])
    graph = read_sparse_graph(model)
    runs: dict[str, Callable[[], np.ndarray]] = {}
    fused, one_core, reference = FusedEngine(graph, cores), FusedEngine(graph, 1), OnnxEngine(graph, cores)
    runs["fused"] = lambda: fused.run(features, maps)
    runs["fused, 1 core"] = lambda: one_core.run(features, maps)
    runs["onnxruntime"] = lambda: reference.run(features, maps)
    spconv_run = _spconv(graph, features, maps)
    if spconv_run:
        runs["spconv, 1 core"] = spconv_run
    answers = {name: run() for name, run in runs.items()}
    timed: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_REPEATS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            timed[name].append(1e3 * (time.perf_counter() - start))
    return timed, answers, graph


def _rows(
    where: str, timed: dict[str, list[float]], answers: dict[str, np.ndarray], peak_s: float, required: bool
) -> Iterator[dict]:
    for name, times in timed.items():
        yield _row(f"{name}: {where}, median", statistics.median(times), "ms")
        yield _row(f"{name}: {where}, fastest", min(times), "ms")
    yield _row(f"fused: {where}, share of the multiply-add rate", 1e5 * peak_s / statistics.median(timed["fused"]), "%")
    difference = max(float(np.abs(answer - answers["fused"]).max()) for answer in answers.values())
    yield _row(f"largest difference between engines: {where}", difference, "", "<= 1e-4", difference <= 1e-4)
    if "spconv, 1 core" in timed:
        correct = statistics.median(timed["spconv, 1 core"])
        for name, least in (("fused", 3.0), ("onnxruntime", 2.0)):
            ratio = correct / statistics.median(timed[name])
            target = f">= {least:g}" if required else ""
            yield _row(f"spconv / {name}: {where}", ratio, "x", target, ratio >= least if required else None)


def _row(name: str, value: float, unit: str, target: str = "", passed: bool | None = None) -> dict:
    return {"name": f"network, {name}", "value": value, "unit": unit, "target": target, "passed": passed}


def build_network(stem: int, planes: tuple[int, ...], blocks: int):
    """A MinkUNet with random weights, batch norm already folded: four stages down, four up."""
    rng = np.random.default_rng(0)
    graph = SparseGraphBuilder(_IN_CHANNELS, _LEVELS, "bench")

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        # About a third of the neighbours exist; so scaled, activations neither grow nor vanish.
        scale = np.sqrt(2 / (c_in * max(1.0, kernel * 0.3)))
        return rng.normal(size=(kernel, c_in, c_out)) * scale, rng.normal(size=c_out) * 0.1

    def block(x: str, c_in: int, c_out: int, level: int) -> str:
        y = graph.relu(graph.sparse_conv(x, f"subm{level}", *weights(27, c_in, c_out)))
        weight, bias = weights(27, c_out, c_out)
        y = graph.sparse_conv(y, f"subm{level}", 0.3 * weight, bias)
        if c_in != c_out:
            weight, bias = weights(1, c_in, c_out)
            x = graph.linear(x, weight[0], bias)
        return graph.relu(graph.add(y, x))

    x, width = FEATURES, _IN_CHANNELS
    for _ in range(2):
        x, width = graph.relu(graph.sparse_conv(x, "subm0", *weights(27, width, stem))), stem
    skips = [(x, width)]
    for level in range(4):
        x = graph.relu(graph.sparse_conv(x, f"child{level}", *weights(8, width, width)))
        for _ in range(blocks):
            x, width = block(x, width, planes[level], level + 1), planes[level]
        skips.append((x, width))
    for stage, level in enumerate((3, 2, 1, 0), start=4):
        x = graph.relu(graph.sparse_inverse_conv(x, level, *weights(8, width, planes[stage])))
        x, width = graph.concat(x, skips[level][0]), planes[stage] + skips[level][1]
        for _ in range(blocks):
            x, width = block(x, width, planes[stage], level), planes[stage]
    weight, bias = weights(1, width, _CLASSES)
    return graph.finish(graph.linear(x, 0.25 * weight[0], bias))  # logits as large as a trained network's


def gflop(graph: SparseGraph, maps: KernelMaps) -> float:
    """Work of one scan in 10^9 operations, existing neighbours only."""
    pairs = {}
    for level in range(graph.levels):
        pairs[f"subm{level}"] = int((maps.subm[level] < maps.counts[level]).sum())
        if level + 1 < graph.levels:
            pairs[f"child{level}"] = pairs[f"up{level}"] = maps.counts[level]
    total = 0
    for node in graph.nodes:
        if node.weight is not None:
            rows = pairs[node.table] if node.table else maps.counts[node.level]
            total += 2 * rows * node.weight.shape[1] * node.weight.shape[2]
    return total / 1e9


def _coords(xyz_m: np.ndarray, voxel_size_m: float) -> np.ndarray:
    grid = VoxelGrid("cartesian", (voxel_size_m,) * 3, (-80.0, -80.0, -4.03, 80.0, 80.0, 12.0))
    return voxelise(xyz_m, grid).coords


def _spconv(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> Callable[[], np.ndarray] | None:
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


if __name__ == "__main__":
    from tests.bench.report.table import print_table

    print_table(measure())
