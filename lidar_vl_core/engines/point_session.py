"""One way to run a package whose network answers for points between the cells of a map, whatever computes it. Reads the model file."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.session import chosen_engine
from lidar_vl_core.sparse_model.encoder_form import CORNER_CELL, CORNER_WEIGHT, MAP_ROWS
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.encoder_graph import PointGraph
    from lidar_vl_core.voxels.point_corners import PointArrays


class PointSession:
    """A loaded VoxelNet for points. One scan at a time; made by open_point_session()."""

    def __init__(self, engine_name: str, content: bytes, graph: "PointGraph", threads: int) -> None:
        from lidar_vl_core.engines.onnx_runtime import open_onnxruntime

        self.engine_name = engine_name
        self._levels = len(graph.kernels)
        self._encoder = None
        if engine_name == "fused":
            from lidar_vl_core.engines.cpu.engine import FusedEngine

            self._encoder = FusedEngine(graph.encoder, threads)
            content = graph.tail.SerializeToString()
        self._session = open_onnxruntime(content, threads)

    def run(self, arrays: "PointArrays") -> np.ndarray:
        """Compute the class scores of every point within the range: (R, classes) float32."""
        inputs = {CORNER_CELL: arrays.corner_cell, CORNER_WEIGHT: arrays.corner_weight}
        if self._encoder is not None:
            inputs[MAP_ROWS] = self._encoder.run(arrays.features, arrays.tables)
        else:
            names = [(kind, level) for kind in ("subm", "strided") for level in range(self._levels)]
            inputs |= {f"{kind}{level}": arrays.tables.table(kind, level) for kind, level in names}
            inputs[FEATURES] = arrays.features
        return self._session.run([OUTPUT], inputs)[0]


def open_point_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> PointSession:
    """Load a package for inference; engine and threads as in open_session(), which says what it raises."""
    import onnx

    from lidar_vl_core.sparse_model.encoder_graph import read_point_graph

    name, threads = chosen_engine(engine, threads)
    content = package.onnx_bytes()
    return PointSession(name, content, read_point_graph(onnx.load_model_from_string(content)), threads)
