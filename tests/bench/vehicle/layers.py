"""The network by layer: time, work and share of the roofline. Run: python -m tests.bench --only vehicle.layers

The fused engine's own compiled loop runs one layer after another, each timed alone, on the activations of a real scan; their
sum beside one whole run says what the timing itself costs. A roof is what this machine does at most at a layer's number of
operations per byte: multiply-adds in registers, or memory traffic as STREAM's triad has it (tests.bench.core.fma_rate).
Bytes are those that nobody can avoid, so a layer that lives in a cache may pass the slanted part of the roof.
"""

import time
from typing import Any

import numpy as np

from lidar_vl_core.engines.cpu.kernels import run_network
from lidar_vl_core.engines.cpu.layout import aligned_empty
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.engines.cpu.program import NetworkProgram
from lidar_vl_core.foundation.threads import HelperThreads, available_cores
from lidar_vl_core.sparse_model.graph import SparseGraph
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from tests.bench.core.fma_rate import measured_bandwidth, measured_fma_rate
from tests.bench.report.timing import measured_row
from tests.bench.vehicle.graphs import GRAPHS, random_features
from tests.bench.vehicle.scans import sized_scan
from tests.bench.vehicle.work import layer_work

VOXELS, QUICK_VOXELS = 60_000, 10_000
REPEATS, QUICK_REPEATS = 15, 7
_COUNTERS_PER_LAYER = 16


def measure(quick: bool = False) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed, ...}: the two roofs, then every layer of two networks."""
    cores = available_cores()
    peak, bandwidth = measured_fma_rate(cores), measured_bandwidth(cores)
    roofs = {"kind": "roof", "gflop_s": peak, "gbyte_s": bandwidth, "cores": cores}
    rows = [
        measured_row(f"layers: multiply-adds in registers, {cores} cores, fastest", [peak], "GFLOP/s", **roofs),
        measured_row(f"layers: triad in memory, {cores} cores, fastest", [bandwidth], "GB/s"),
    ]
    scan = sized_scan(QUICK_VOXELS if quick else VOXELS)
    for name, make in GRAPHS.items():
        graph = make()
        maps = build_kernel_maps(voxelise(scan.cloud.xyz_m, scan.grid).coords, graph.levels)
        rows += _rows(f"{name}, {scan.voxels / 1000:.0f}k voxels", name, graph, maps, (peak, bandwidth), quick)
    return rows


def _rows(
    where: str, network: str, graph: SparseGraph, maps: KernelMaps, roofs: tuple[float, float], quick: bool
) -> list[dict[str, Any]]:
    network_run = LayerByLayer(graph, maps, available_cores())
    features = random_features(graph, maps)
    network_run.run(features)
    times_s = np.array([network_run.run(features) for _ in range(QUICK_REPEATS if quick else REPEATS)])
    whole_s = np.array([network_run.run_whole(features) for _ in range(len(times_s))])
    rows = []
    for number, layer in enumerate(plan_network(graph, in_int8=False).layers):
        work, seconds = layer_work(layer, maps), times_s[:, number + 1]
        roof = min(roofs[0], roofs[1] * work.flop_per_byte)
        reached = work.gflop / float(np.median(seconds))
        details = {
            "kind": "layer", "network": network, "voxels": maps.counts[0], "number": number, "shape": work.shape, "layer_kind": work.kind,
            "level": work.level, "gflop": work.gflop, "flop_per_byte": work.flop_per_byte, "gflop_s": reached, "roof_gflop_s": roof,
            "percent_of_roof": 100 * reached / roof, "percent_of_time": 100 * float(np.median(seconds / times_s.sum(axis=1))),
        }  # fmt: skip
        rows.append(measured_row(f"layer {number:02d} {work.shape}: {where}", 1e3 * seconds, **details))
    total = sum(row["details"]["gflop"] for row in rows)
    whole = measured_row(
        f"all layers in one run: {where}", 1e3 * whole_s,
        kind="network", network=network, voxels=maps.counts[0], gflop=total, gflop_s=total / float(np.median(whole_s)),
        percent_of_peak=100 * total / float(np.median(whole_s)) / roofs[0],
    )  # fmt: skip
    listing = measured_row(f"pair lists: {where}", 1e3 * times_s[:, 0], kind="pair_lists", network=network)
    apart = measured_row(
        f"layers one by one / in one run: {where}", [np.median(times_s.sum(axis=1)) / np.median(whole_s)], "x"
    )
    return [whole, listing, *rows, apart]


class LayerByLayer:
    """The fused engine's program for one scan, run a layer at a time."""

    def __init__(self, graph: SparseGraph, maps: KernelMaps, threads: int) -> None:
        self._program = NetworkProgram(graph)
        self._scan = self._program.for_scan(maps)
        self._threads, self._out_channels = threads, graph.out_channels
        self._values = aligned_empty(self._scan.values, np.float32)
        scan = self._scan
        self._pairs = np.zeros(scan.pairs + scan.self_pairs, np.int64)
        self._pairs[scan.pairs :] = np.arange(scan.self_pairs) * ((1 << 32) + 1)
        self._pair_counts = np.zeros(scan.pair_counts, np.int64)

    def run(self, features: np.ndarray) -> np.ndarray:
        """Seconds of the pair lists, then of each layer."""
        self._set(features)
        tables, layers = self._scan.tables, self._scan.layers
        seconds = [self._timed(tables, layers[:0])]
        seconds += [self._timed(tables[:0], layers[number : number + 1]) for number in range(len(layers))]
        return np.array(seconds)

    def run_whole(self, features: np.ndarray) -> float:
        """Seconds of all of it in one call, as the engine makes it."""
        self._set(features)
        return self._timed(self._scan.tables, self._scan.layers)

    @property
    def answer(self) -> np.ndarray:
        """(M, classes) float32 of the last run."""
        return self._values[self._scan.logits].reshape(-1, self._scan.logit_stride)[:, : self._out_channels]

    def _set(self, features: np.ndarray) -> None:
        rows = self._values[self._scan.features].reshape(-1, self._scan.feature_stride)
        rows[:, : features.shape[1]] = features

    def _timed(self, tables: np.ndarray, layers: np.ndarray) -> float:
        progress = np.zeros((len(layers) + 1) * _COUNTERS_PER_LAYER, np.int64)
        arguments = (
            tables, layers, self._program.panels, self._scan.terms, self._values, self._program.weights,
            self._pairs, self._pair_counts, progress, None,
        )  # fmt: skip
        started_s = time.perf_counter()
        with HelperThreads(self._threads) as helpers:
            for _ in range(self._threads - 1):
                helpers.add(lambda: run_network(*arguments))
            run_network(*arguments)
        return time.perf_counter() - started_s
