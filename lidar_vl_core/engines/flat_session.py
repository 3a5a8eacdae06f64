"""Runs a WaffleIron package on any engine. Reads the model file."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.checked_engine import LIMITS, CheckedEngine, OpenedEngine, Run
from lidar_vl_core.engines.gpu_engines import open_gpu_engine
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.engines.session import chosen_engine
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.package_files import as_bad_package
from lidar_vl_core.sparse_model.flat_form import file_inputs
from lidar_vl_core.sparse_model.onnx_form import OUTPUT
from lidar_vl_core.voxels.cell_sums import cell_sums

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.voxels.flat_grids import FlatRows

_ON_CPU = "onnxruntime"


class FlatSession(OpenedEngine):
    """A loaded WaffleIron. One scan at a time; made by open_flat_session()."""

    def __init__(self, engine: Run | CheckedEngine, grid_shapes: tuple[tuple[int, int], ...]) -> None:
        """engine: of the inputs of a scan; one that is not checked is ONNX Runtime on the CPU."""
        super().__init__(_ON_CPU, engine)
        self._engine, self._grid_shapes = engine, grid_shapes

    def inputs(self, rows: "FlatRows") -> dict[str, np.ndarray]:
        """What run() reads, by the names and in the shapes of file_inputs()."""
        sums = [cell_sums(cell, shape) for cell, shape in zip(rows.cells, self._grid_shapes, strict=True)]
        return file_inputs(rows, sums)

    def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Compute the class scores of every row: (R, classes) float32."""
        run = self._engine.run if isinstance(self._engine, CheckedEngine) else self._engine
        return run(inputs)[0]


def open_flat_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> FlatSession:
    """Load a package for inference; engine and threads as in open_session(), which says what it raises.

    ONNX Runtime stands in for the fused engine, which is for sparse convolutions and raises EngineUnavailable.
    """
    import onnx

    from lidar_vl_core.sparse_model.flat_graph import read_flat_graph

    with as_bad_package(package.path):
        _, threads = chosen_engine(engine, threads)
        if engine == "fused":
            raise EngineUnavailable(
                f"engine fused: expected a different engine for {package.manifest.name}, whose network, WaffleIron, has no sparse "
                f"convolutions to be fused. Use engine auto or {_ON_CPU}."
            )
        content = package.onnx_bytes()
        grid_shapes = read_flat_graph(onnx.load_model_from_string(content)).grid_shapes
        on_cpu = partial(open_onnxruntime(content, threads).run, [OUTPUT])
        on_gpu = open_gpu_engine(engine, package, threads)
        if on_gpu is None:
            return FlatSession(on_cpu, grid_shapes)
        fast, limits = partial(on_gpu.runner.run, [OUTPUT]), LIMITS[package.manifest.precision]
        return FlatSession(CheckedEngine(on_gpu.name, fast, _ON_CPU, on_cpu, limits, are_scores=True), grid_shapes)
