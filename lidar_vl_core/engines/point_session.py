"""Runs a package whose network answers for points between the cells of a map, on any engine. Reads the model file."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.checked_engine import LIMITS, CheckedEngine, OpenedEngine
from lidar_vl_core.engines.gpu_engines import ModelRunner, open_gpu_engine
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.engines.session import chosen_engine
from lidar_vl_core.model_packages.package_files import as_bad_package
from lidar_vl_core.sparse_model.encoder_form import CORNER_CELL, CORNER_WEIGHT, MAP_ROWS
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.encoder_graph import PointGraph
    from lidar_vl_core.voxels.point_corners import PointArrays


class PointSession(OpenedEngine):
    """A loaded VoxelNet for points. One scan at a time; made by open_point_session()."""

    def __init__(self, engine_name: str, engine: "_FusedPoints | _WholePoints | CheckedEngine") -> None:
        super().__init__(engine_name, engine)
        self._engine = engine

    def run(self, arrays: "PointArrays") -> np.ndarray:
        """Compute the class scores of every point within the range: (R, classes) float32."""
        return self._engine.run(arrays)[0]


def open_point_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> PointSession:
    """Load a package for inference; engine and threads as in open_session(), which says what it raises."""
    import onnx

    from lidar_vl_core.sparse_model.encoder_graph import read_point_graph

    with as_bad_package(package.path):
        name, threads = chosen_engine(engine, threads)
        content = package.onnx_bytes()
        graph = read_point_graph(onnx.load_model_from_string(content))
        on_gpu = open_gpu_engine(engine, package, threads)
        if on_gpu is not None:
            fast, fused = _WholePoints(on_gpu.runner, graph), _FusedPoints(graph, threads)
            limits = LIMITS[package.manifest.precision]
            return PointSession(
                on_gpu.name, CheckedEngine(on_gpu.name, fast.run, "fused", fused.run, limits, are_scores=True)
            )
        if name == "fused":
            on_cpu = _FusedPoints(graph, threads)
            return PointSession(on_cpu.name, on_cpu)
        return PointSession(name, _WholePoints(open_onnxruntime(content, threads), graph))


class _FusedPoints:
    """The sparse part by the fused engine, the rest by ONNX Runtime."""

    def __init__(self, graph: "PointGraph", threads: int) -> None:
        from lidar_vl_core.engines.cpu.engine import FusedEngine

        self._encoder = FusedEngine(graph.encoder, threads)
        self.name = self._encoder.name
        self._tail = open_onnxruntime(graph.tail.SerializeToString(), threads)

    def run(self, arrays: "PointArrays") -> list[np.ndarray]:
        rows = self._encoder.run(arrays.features, arrays.tables)
        return self._tail.run([OUTPUT], {MAP_ROWS: rows, **_corners(arrays)})


class _WholePoints:
    """The model file as it is."""

    def __init__(self, runner: ModelRunner, graph: "PointGraph") -> None:
        self._runner, self._levels = runner, len(graph.kernels)

    def run(self, arrays: "PointArrays") -> list[np.ndarray]:
        names = [(kind, level) for kind in ("subm", "strided") for level in range(self._levels)]
        tables = {f"{kind}{level}": arrays.tables.table(kind, level) for kind, level in names}
        return self._runner.run([OUTPUT], {FEATURES: arrays.features, **tables, **_corners(arrays)})


def _corners(arrays: "PointArrays") -> dict[str, np.ndarray]:
    return {CORNER_CELL: arrays.corner_cell, CORNER_WEIGHT: arrays.corner_weight}
