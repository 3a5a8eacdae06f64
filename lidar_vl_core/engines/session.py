"""Runs a model package on any engine. Reads the model file."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.engines.checked_engine import LIMITS, CheckedEngine, OpenedEngine
from lidar_vl_core.engines.gpu_engines import GPU_ENGINES, GpuEngine, open_gpu_engine
from lidar_vl_core.engines.tensorrt.package_part import package_part
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.model_packages.package_files import as_bad_package
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, kind_and_level

if TYPE_CHECKING:
    from lidar_vl_core.engines.cpu.engine import FusedEngine
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.graph import LinearHead, SparseGraph
    from lidar_vl_core.voxels.kernel_maps import KernelMaps

ENGINES = ("auto", "fused", "onnxruntime", *GPU_ENGINES)


class _Engine(Protocol):
    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray: ...


class Session(OpenedEngine):
    """A loaded network. One scan at a time; made by open_session()."""

    def __init__(self, engine_name: str, engine: _Engine | CheckedEngine, in_channels: int, levels: int) -> None:
        super().__init__(engine_name, engine)
        self._engine = engine
        self._in_channels = in_channels
        self._levels = levels

    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray:
        """Compute the class scores of every voxel; its embedding, where the package's answers are embeddings.

        features: (M, C) float32 in the order of the manifest. Returns (M, classes or channels) float32. Raises BadRequest when
        features and maps do not fit the network.
        """
        if features.dtype != np.float32 or features.shape != (maps.counts[0], self._in_channels):
            raise BadRequest(
                f"features: expected ({maps.counts[0]}, {self._in_channels}) float32, found {features.shape} "
                f"{features.dtype}. Compute them with voxel_features() from the same voxels as the maps."
            )
        if len(maps.counts) < self._levels:
            raise BadRequest(
                f"kernel maps: expected at least {self._levels} levels, found {len(maps.counts)}. "
                f"Build them with levels={self._levels}."
            )
        if isinstance(self._engine, CheckedEngine):
            return self._engine.run(features, maps)[0]
        return self._engine.run(features, maps)


def open_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> Session:
    """Load a package for inference; "auto" takes the fastest engine of this machine: on a GPU, or the fused one.

    threads: number of processor cores to use, all that this process may use by default. Raises EngineUnavailable when
    the asked engine cannot run here, BadModelPackage when the file cannot be run.

    fused computes an int8 file in int8 where the processor has VNNI, and its engine_name says so; else in float32 with the
    weights of the file, whatever its precision. onnxruntime computes in the file's precision.
    """
    with as_bad_package(package.path):
        return _session(package, _graph(package), package.onnx_bytes, engine, threads)


def open_feature_session(
    package: "ModelPackage", engine: str = "auto", threads: int | None = None
) -> "tuple[Session, LinearHead]":
    """As open_session() for an embedding package, up to its last layer, whose input is the answer; and that layer."""
    from lidar_vl_core.sparse_model.graph import split_head

    with as_bad_package(package.path):
        trunk, head = split_head(_graph(package))
        return _session(package, trunk, lambda: package_part(package)[1], engine, threads), head


def _graph(package: "ModelPackage") -> "SparseGraph":
    import onnx

    from lidar_vl_core.sparse_model.graph import read_sparse_graph

    return read_sparse_graph(onnx.load_model_from_string(package.onnx_bytes()))


def _session(
    package: "ModelPackage", graph: "SparseGraph", content: Callable[[], bytes], engine: str, threads: int | None
) -> Session:
    """content: the model file of the graph."""
    name, threads = chosen_engine(engine, threads)
    on_gpu = open_gpu_engine(engine, package, threads)
    if on_gpu is None:
        name, on_cpu = _cpu_engine(name, package, graph, content, threads)
        return Session(name, on_cpu, graph.in_channels, graph.levels)
    checked = _checked(on_gpu, package, graph, threads)
    return Session(on_gpu.name, checked, graph.in_channels, graph.levels)


def _checked(on_gpu: GpuEngine, package: "ModelPackage", graph: "SparseGraph", threads: int) -> CheckedEngine:
    """The engine of the GPU, judged by the fused one."""
    fused, names = _fused(graph, threads), graph.table_names

    def fast(features: np.ndarray, maps: "KernelMaps") -> list[np.ndarray]:
        tables = {name: maps.table(*kind_and_level(name)) for name in names}
        return on_gpu.runner.run([OUTPUT], {FEATURES: features, **tables})

    def slow(features: np.ndarray, maps: "KernelMaps") -> list[np.ndarray]:
        return [fused.run(features, maps)]

    limits = LIMITS[package.manifest.precision]
    return CheckedEngine(on_gpu.name, fast, "fused", slow, limits, are_scores=package.manifest.language is None)


def chosen_engine(engine: str, threads: int | None) -> tuple[str, int]:
    """The engine of the CPU and the number of threads that are meant; "fused" for "auto". Raises BadRequest."""
    if engine not in ENGINES:
        raise BadRequest(f"engine: expected one of {', '.join(ENGINES)}, found {engine!r}.")
    threads = threads if threads is not None else available_cores()
    if threads < 1:
        raise BadRequest(f"threads: expected 1 or more, found {threads}. Leave the option out to use all cores.")
    return "fused" if engine == "auto" else engine, threads


def _cpu_engine(
    name: str, package: "ModelPackage", graph: "SparseGraph", content: Callable[[], bytes], threads: int
) -> tuple[str, _Engine]:
    """What the engine calls itself, and the engine."""
    if name == "fused":
        fused = _fused(graph, threads)
        return fused.name, fused
    from lidar_vl_core.engines.onnx_runtime import OnnxEngine, OnnxFileEngine

    if package.manifest.precision == "fp32":
        return name, OnnxEngine(graph, threads)
    return name, OnnxFileEngine(content(), graph.table_names, threads)


def _fused(graph: "SparseGraph", threads: int) -> "FusedEngine":
    from lidar_vl_core.engines.cpu.engine import FusedEngine

    return FusedEngine(graph, threads)
