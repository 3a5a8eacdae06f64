"""What a layer has to do on one scan: operations, and bytes that cannot be avoided."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.engines.cpu.plan import FusedLayer
from lidar_vl_core.sparse_model.onnx_form import kind_and_level, levels_of
from lidar_vl_core.voxels.kernel_maps import KernelMaps

_FLOAT, _PAIR = 4, 8  # bytes


@dataclass(frozen=True)
class LayerWork:
    """One fused layer on one scan."""

    shape: str  # e.g. "3^3 32 > 64, level 1"
    kind: str  # of its largest term: "subm", "child", "up" or "linear"
    level: int
    gflop: float  # 2 x multiply-adds of existing neighbours
    gbyte: float  # inputs, residual, weights and pairs read once, the output written once

    @property
    def flop_per_byte(self) -> float:
        """Its place on a roofline's axis."""
        return self.gflop / self.gbyte


def layer_work(layer: FusedLayer, maps: KernelMaps) -> LayerWork:
    """Work of a layer of plan_network() with these tables."""
    rows, c_out = maps.counts[layer.level], len(layer.bias)
    multiply_adds, read = 0, _FLOAT * (c_out + (rows * c_out if layer.residual else 0))
    kinds = []
    for term in layer.terms:
        kernel, c_in, _ = term.weight.shape
        kind, level = kind_and_level(term.table) if term.table else ("linear", layer.level)
        pairs = _pairs(kind, level, maps) if term.table else rows
        rows_read = maps.counts[levels_of(term.table)[0]] if term.table else rows
        multiply_adds += pairs * c_in * c_out
        read += _FLOAT * (rows_read * c_in + kernel * c_in * c_out) + (_PAIR * pairs if term.table else 0)
        kinds.append((pairs * c_in, kind))
    kind = max(kinds, default=(0, "linear"))[1]
    widths = " + ".join(str(term.weight.shape[1]) for term in layer.terms)
    name = {"subm": "3^3", "child": "2^3 down", "up": "2^3 up", "linear": "1"}[kind]
    total_bytes = read + _FLOAT * rows * c_out
    return LayerWork(
        f"{name}, {widths} > {c_out}, level {layer.level}", kind, layer.level, 2e-9 * multiply_adds, 1e-9 * total_bytes
    )


def _pairs(kind: str, level: int, maps: KernelMaps) -> int:
    if kind == "subm":
        return int(np.count_nonzero(maps.subm[level] < maps.counts[level]))
    return maps.counts[level]  # every voxel has one parent
