"""Runs a detection package on any engine. Reads the model file."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.engines.checked_engine import LIMITS, CheckedEngine, OpenedEngine
from lidar_vl_core.engines.gpu_engines import ModelRunner, open_gpu_engine
from lidar_vl_core.engines.session import chosen_engine
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.model_packages.package_files import as_bad_package
from lidar_vl_core.sparse_model.encoder_form import MAP_INDEX, MAP_ROWS
from lidar_vl_core.sparse_model.onnx_form import FEATURES

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.encoder_graph import EncoderGraph
    from lidar_vl_core.voxels.detector_arrays import DetectorArrays


class _Engine(Protocol):
    def run(self, arrays: "DetectorArrays") -> list[np.ndarray]: ...


class DetectionSession(OpenedEngine):
    """A loaded detector. One scan at a time; made by open_detection_session()."""

    def __init__(self, engine_name: str, engine: _Engine, graph: "EncoderGraph") -> None:
        super().__init__(engine_name, engine)
        self._engine = engine
        self._in_channels = graph.encoder.in_channels
        self._names = tuple(graph.outputs)
        width, height, depth = graph.map_shape
        self._map = (1, depth, height, width)

    def run(self, arrays: "DetectorArrays") -> dict[str, np.ndarray]:
        """Compute the maps of the head of one scan, each (C, H, W) float32, by name.

        Raises BadRequest for the arrays of several scans, or of another grid or other features.
        """
        voxels, channels = arrays.features.shape
        if (voxels, channels, arrays.map_index.shape) != (arrays.tables.counts[0], self._in_channels, self._map):
            raise BadRequest(
                f"detector arrays: expected ({arrays.tables.counts[0]}, {self._in_channels}) features and a map {self._map}, "
                f"found {arrays.features.shape} and {arrays.map_index.shape}. Make them with the package's own grid, one scan."
            )
        return {name: values[0] for name, values in zip(self._names, self._engine.run(arrays), strict=True)}


def open_detection_session(
    package: "ModelPackage", engine: str = "auto", threads: int | None = None
) -> DetectionSession:
    """Load a detection package for inference; engine and threads as in open_session(), which says what it raises."""
    import onnx

    from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
    from lidar_vl_core.sparse_model.encoder_graph import read_encoder_graph

    with as_bad_package(package.path):
        name, threads = chosen_engine(engine, threads)
        content = package.onnx_bytes()
        graph = read_encoder_graph(onnx.load_model_from_string(content))
        on_gpu = open_gpu_engine(engine, package, threads)
        if on_gpu is not None:
            fast, fused = _WholeDetector(on_gpu.runner, graph), _FusedDetector(graph, threads)
            limits = LIMITS[package.manifest.precision]
            checked = CheckedEngine(on_gpu.name, fast.run, "fused", fused.run, limits, are_scores=False)
            return DetectionSession(on_gpu.name, checked, graph)
        if name == "fused":
            on_cpu = _FusedDetector(graph, threads)
            return DetectionSession(on_cpu.name, on_cpu, graph)
        return DetectionSession(name, _WholeDetector(open_onnxruntime(content, threads), graph), graph)


class _FusedDetector:
    """The sparse part by the fused engine, the rest by ONNX Runtime."""

    def __init__(self, graph: "EncoderGraph", threads: int) -> None:
        from lidar_vl_core.engines.cpu.engine import FusedEngine
        from lidar_vl_core.engines.onnx_runtime import open_onnxruntime

        self._encoder = FusedEngine(graph.encoder, threads)
        self.name = self._encoder.name
        self._tail = open_onnxruntime(graph.tail.SerializeToString(), threads)
        self._names = list(graph.outputs)

    def run(self, arrays: "DetectorArrays") -> list[np.ndarray]:
        rows = self._encoder.run(arrays.features, arrays.tables)
        return self._tail.run(self._names, {MAP_ROWS: rows, MAP_INDEX: arrays.map_index[0]})


class _WholeDetector:
    """The model file as it is."""

    def __init__(self, runner: ModelRunner, graph: "EncoderGraph") -> None:
        self._runner = runner
        self._levels = len(graph.kernels)
        self._names = list(graph.outputs)

    def run(self, arrays: "DetectorArrays") -> list[np.ndarray]:
        names = [(kind, level) for kind in ("subm", "strided") for level in range(self._levels)]
        inputs = {f"{kind}{level}": arrays.tables.table(kind, level) for kind, level in names}
        inputs |= {FEATURES: arrays.features, MAP_INDEX: arrays.map_index[0]}
        return self._runner.run(self._names, inputs)
