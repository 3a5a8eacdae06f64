"""Fused CPU engine: computes a scan in one call of compiled code that holds no interpreter lock."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.fused_kernels import run_network
from lidar_vl_core.fused_layout import aligned_empty
from lidar_vl_core.fused_program import NetworkProgram, ScanProgram

if TYPE_CHECKING:
    from lidar_vl_core.kernel_maps import KernelMaps
    from lidar_vl_core.sparse_graph import SparseGraph

_COUNTERS_PER_LAYER = 16  # int64: tasks taken and tasks done, a cache line each


class FusedEngine:
    """Runs a SparseGraph; its memory is kept between scans and only grows. One scan at a time, others wait."""

    def __init__(self, graph: "SparseGraph", threads: int) -> None:
        self._out_channels = graph.out_channels
        self._program = NetworkProgram(graph)
        self._values = _GrowingArray(np.float32)
        self._pair_in, self._pair_out, self._pair_counts = (_GrowingArray(np.int32) for _ in range(3))
        self._helpers = ThreadPoolExecutor(threads - 1, "fused-engine") if threads > 1 else None
        self._helper_count = threads - 1
        self._one_scan = Lock()

    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray:
        """(M, C) float32 -> (M, classes) float32."""
        scan = self._program.for_scan(maps)
        with self._one_scan:
            values = self._values.at_least(scan.values)
            values[scan.features].reshape(-1, scan.feature_stride)[:, : features.shape[1]] = features
            self._compute(scan, values)
            return values[scan.logits].reshape(-1, scan.logit_stride)[:, : self._out_channels].copy()

    def _compute(self, scan: ScanProgram, values: np.ndarray) -> None:
        pairs = scan.pairs + scan.self_pairs
        pair_in, pair_out = self._pair_in.at_least(pairs), self._pair_out.at_least(pairs)
        pair_in[scan.pairs : pairs] = pair_out[scan.pairs : pairs] = np.arange(scan.self_pairs)
        progress = np.zeros((len(scan.layers) + 1) * _COUNTERS_PER_LAYER, np.int64)
        arguments = (
            scan.tables, scan.layers, self._program.panels, scan.terms, values, self._program.weights,
            pair_in, pair_out, self._pair_counts.at_least(scan.pair_counts), progress,
        )  # fmt: skip
        helpers = (
            [self._helpers.submit(run_network, *arguments) for _ in range(self._helper_count)] if self._helpers else []
        )
        run_network(*arguments)
        for helper in helpers:
            helper.result()


class _GrowingArray:
    """An array that is replaced only by a larger one: page faults of fresh memory cost more than some layers."""

    def __init__(self, dtype: type) -> None:
        self._array = aligned_empty(0, dtype)

    def at_least(self, length: int) -> np.ndarray:
        if len(self._array) < length:
            self._array = aligned_empty(length + length // 4, self._array.dtype)
        return self._array
