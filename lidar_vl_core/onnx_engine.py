"""ONNX Runtime engine: the portable reference."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.sparse_onnx import FEATURES, OUTPUT

if TYPE_CHECKING:
    import onnx

    from lidar_vl_core.kernel_maps import KernelMaps
    from lidar_vl_core.sparse_graph import SparseGraph


class OnnxEngine:
    """Runs the file as it is."""

    def __init__(self, model: "onnx.ModelProto", graph: "SparseGraph", threads: int) -> None:
        self._levels = graph.levels
        self._session = open_onnxruntime(model, threads)

    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray:
        """(M, C) float32 -> (M, classes) float32."""
        return self._session.run([OUTPUT], {FEATURES: features, **map_inputs(maps, self._levels)})[0]


def map_inputs(maps: "KernelMaps", levels: int) -> dict[str, np.ndarray]:
    """Kernel maps by the names of the model file."""
    tables = {f"subm{level}": maps.subm[level] for level in range(levels)}
    for level in range(levels - 1):
        tables[f"child{level}"], tables[f"up{level}"] = maps.child[level], maps.up[level]
    return tables


def open_onnxruntime(model: "onnx.ModelProto", threads: int):  # noqa: ANN201
    """An ONNX Runtime session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
