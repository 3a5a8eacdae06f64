"""Fused CPU engine: computes a scan in one call of compiled code that holds no interpreter lock."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.cpu.int8_loops import Int8Arrays
from lidar_vl_core.engines.cpu.kept_array import KeptArray
from lidar_vl_core.engines.cpu.kernels import run_network
from lidar_vl_core.engines.cpu.program import NetworkProgram, ScanProgram
from lidar_vl_core.foundation.processes.fork_lock import ForkLock
from lidar_vl_core.foundation.threads import HelperThreads

if TYPE_CHECKING:
    from lidar_vl_core.engines.cpu.program import LevelTables
    from lidar_vl_core.sparse_model.graph import SparseGraph

_COUNTERS_PER_LAYER = 16  # int64: tasks taken and tasks done, a cache line each
_SELF_PAIR = (1 << 32) + 1  # times i: input row i with output row i


class FusedEngine:
    """Runs a SparseGraph; its memory is kept between scans. One scan at a time, others wait."""

    def __init__(self, graph: "SparseGraph", threads: int) -> None:
        self._out_channels = graph.out_channels
        self._program = NetworkProgram(graph)
        asked = any(node.int8 is not None for node in graph.nodes)
        self._in_int8 = "" if not asked else "int8" if self.multiplies_in_int8 else "int8 weights in float32"
        self._values = KeptArray(np.float32)
        self._pairs, self._pair_counts = KeptArray(np.int64), KeptArray(np.int64)
        self._threads = threads
        self._one_scan = ForkLock()

    @property
    def name(self) -> str:
        """ "fused", and for a network with int8 layers how this processor computes them."""
        return f"fused, {self._in_int8}" if self._in_int8 else "fused"

    @property
    def multiplies_in_int8(self) -> bool:
        """Whether any layer does: the network says so, and the processor can."""
        return self._program.scratch_words > 0

    def run(self, features: np.ndarray, maps: "LevelTables") -> np.ndarray:
        """(M, C) float32 -> (rows of the answer's level, channels) float32."""
        scan = self._program.for_scan(maps)
        with self._one_scan:
            values = self._values.at_least(scan.values + self._threads * self._program.scratch_words)
            values[scan.features].reshape(-1, scan.feature_stride)[:, : features.shape[1]] = features
            self._compute(scan, values)
            return values[scan.logits].reshape(-1, scan.logit_stride)[:, : self._out_channels].copy()

    def _compute(self, scan: ScanProgram, values: np.ndarray) -> None:
        pairs = self._pairs.at_least(scan.pairs + scan.self_pairs)
        pairs[scan.pairs : scan.pairs + scan.self_pairs] = np.arange(scan.self_pairs) * _SELF_PAIR
        progress = np.zeros((len(scan.layers) + 1) * _COUNTERS_PER_LAYER, np.int64)
        arguments = (
            scan.tables, scan.layers, self._program.panels, scan.terms, values, self._program.weights,
            pairs, self._pair_counts.at_least(scan.pair_counts), progress, self._int8(scan, values),
        )  # fmt: skip
        with HelperThreads(self._threads) as helpers:
            for _ in range(self._threads - 1):
                helpers.add(lambda: run_network(*arguments))
            run_network(*arguments)

    def _int8(self, scan: ScanProgram, values: np.ndarray) -> Int8Arrays | None:
        if not self.multiplies_in_int8:
            return None
        words, weights = values.view(np.int32), self._program.weights.view(np.int32)
        scratch = scan.values, self._program.scratch_words
        return Int8Arrays(scan.int8_terms, scan.rounded, words, values.view(np.uint8), weights, *scratch)
