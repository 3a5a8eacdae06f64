"""One way to run a model package, whatever computes it. Reads the model file."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable
from lidar_vl_core.foundation.threads import available_cores

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.sparse_model.graph import LinearHead, SparseGraph
    from lidar_vl_core.voxels.kernel_maps import KernelMaps

ENGINES = ("auto", "fused", "onnxruntime", "tensorrt")


class _Engine(Protocol):
    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray: ...


class Session:
    """A loaded network. One scan at a time; made by open_session()."""

    def __init__(self, engine_name: str, engine: _Engine, in_channels: int, levels: int) -> None:
        self.engine_name = engine_name
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
        return self._engine.run(features, maps)


def open_session(package: "ModelPackage", engine: str = "auto", threads: int | None = None) -> Session:
    """Load a package for inference; "auto" takes the fastest engine of this machine.

    threads: number of processor cores to use, all that this process may use by default. Raises EngineUnavailable when
    the asked engine cannot run here, BadModelPackage when the file cannot be run.
    """
    return _session(_graph(package), engine, threads)


def open_feature_session(
    package: "ModelPackage", engine: str = "auto", threads: int | None = None
) -> "tuple[Session, LinearHead]":
    """As open_session() for an embedding package, up to its last layer, whose input is the answer; and that layer."""
    from lidar_vl_core.sparse_model.graph import split_head

    trunk, head = split_head(_graph(package))
    return _session(trunk, engine, threads), head


def _graph(package: "ModelPackage") -> "SparseGraph":
    import onnx

    from lidar_vl_core.sparse_model.graph import read_sparse_graph

    return read_sparse_graph(onnx.load_model_from_string(package.onnx_bytes()))


def _session(graph: "SparseGraph", engine: str, threads: int | None) -> Session:
    name, threads = chosen_engine(engine, threads)
    return Session(name, _engine(name, graph, threads), graph.in_channels, graph.levels)


def chosen_engine(engine: str, threads: int | None) -> tuple[str, int]:
    """The engine and the number of threads that are meant. Raises BadRequest, EngineUnavailable."""
    if engine not in ENGINES:
        raise BadRequest(f"engine: expected one of {', '.join(ENGINES)}, found {engine!r}. Choose one of them.")
    if engine == "tensorrt":
        raise EngineUnavailable(
            "engine tensorrt: expected TensorRT support, found none in this version. Use engine fused or onnxruntime."
        )
    threads = threads if threads is not None else available_cores()
    if threads < 1:
        raise BadRequest(f"threads: expected 1 or more, found {threads}. Leave it out to use all cores.")
    return "fused" if engine == "auto" else engine, threads


def _engine(name: str, graph: "SparseGraph", threads: int) -> _Engine:
    if name == "fused":
        from lidar_vl_core.engines.cpu.engine import FusedEngine

        return FusedEngine(graph, threads)
    from lidar_vl_core.engines.onnx_runtime import OnnxEngine

    return OnnxEngine(graph, threads)
