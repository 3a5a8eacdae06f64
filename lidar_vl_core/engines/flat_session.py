"""One way to run a package of WaffleIron. Reads the model file."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.session import chosen_engine
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.sparse_model.flat_form import file_inputs
from lidar_vl_core.sparse_model.onnx_form import OUTPUT
from lidar_vl_core.voxels.cell_sums import cell_sums

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.voxels.flat_grids import FlatRows


class FlatSession:
    """A loaded WaffleIron. One scan at a time; made by open_flat_session()."""

    def __init__(self, content: bytes, grid_shapes: tuple[tuple[int, int], ...], threads: int) -> None:
        from lidar_vl_core.engines.onnx_runtime import open_onnxruntime

        self.engine_name = "onnxruntime"
        self._grid_shapes = grid_shapes
        self._session = open_onnxruntime(content, threads)

    def inputs(self, rows: "FlatRows") -> dict[str, np.ndarray]:
        """What run() reads."""
        sums = [cell_sums(cell, shape) for cell, shape in zip(rows.cells, self._grid_shapes, strict=True)]
        return file_inputs(rows, sums)

    def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Compute the class scores of every row: (R, classes) float32."""
        return self._session.run([OUTPUT], inputs)[0]


def open_flat_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> FlatSession:
    """Load a package for inference; engine and threads as in open_session(), which says what it raises."""
    import onnx

    from lidar_vl_core.sparse_model.flat_graph import read_flat_graph

    name, threads = chosen_engine("onnxruntime" if engine == "auto" else engine, threads)
    if name != "onnxruntime":
        raise EngineUnavailable(
            f"engine {name}: expected onnxruntime for {package.manifest.name}, whose network, WaffleIron, has no sparse "
            "convolutions to be fused. Use engine auto or onnxruntime."
        )
    content = package.onnx_bytes()
    return FlatSession(content, read_flat_graph(onnx.load_model_from_string(content)).grid_shapes, threads)
