"""Segmentation networks that have rows of their own instead of voxels: VoxelNet, in whose map points lie, and WaffleIron."""

import time
from typing import Protocol

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.checked_engine import OpenedEngine
from lidar_vl_core.engines.flat_session import open_flat_session
from lidar_vl_core.engines.point_session import open_point_session
from lidar_vl_core.foundation.threads import default_threads
from lidar_vl_core.model_packages.flat_network import flat_grids
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.voxels.point_corners import point_arrays

_SCALES = {"intensity": 1.0, "intensity_255": 255.0}  # by the last of the features


class PointNetwork(Protocol):
    """The network of a package, and what it reads of clouds."""

    @property
    def engine_name(self) -> str:
        """The engine that runs it."""
        ...

    @property
    def engine_problem(self) -> str:
        """Why a different engine runs it than requested; empty where none does."""
        ...

    def run(self, cloud: PointCloud) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
        """(R, K) scores, (N,) int32 their row for each point or -1, and when rows, tables and network were done."""
        ...


def open_point_network(package: ModelPackage, engine: str, threads: int | None) -> PointNetwork:
    """Load it. Raises EngineUnavailable or BadModelPackage."""
    kind = _WaffleIron if package.manifest.network == "waffleiron" else _VoxelNet
    return kind(package, engine, threads)


class _Opened:
    """What a network tells is what its session does."""

    def __init__(self, session: OpenedEngine) -> None:
        self._engine = session

    @property
    def engine_name(self) -> str:
        return self._engine.engine_name

    @property
    def engine_problem(self) -> str:
        return self._engine.engine_problem


class _VoxelNet(_Opened):
    def __init__(self, package: ModelPackage, engine: str, threads: int | None) -> None:
        self._grid, self._threads = package.grid, threads
        self._scale = np.float32(_SCALES[package.manifest.features[-1]])
        self._session = open_point_session(package, engine, threads)
        super().__init__(self._session)

    def run(self, cloud: PointCloud) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
        arrays = point_arrays(cloud.xyz_m, cloud.intensity[:, None] * self._scale, self._grid, self._threads)
        arrays_done = time.perf_counter()
        scores = self._session.run(arrays)
        return scores, arrays.row_of_point, (arrays_done, arrays_done, time.perf_counter())


class _WaffleIron(_Opened):
    def __init__(self, package: ModelPackage, engine: str, threads: int | None) -> None:
        self._grids, self._threads = flat_grids(package.manifest), threads or default_threads()
        self._session = open_flat_session(package, engine, threads)
        super().__init__(self._session)

    def run(self, cloud: PointCloud) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
        rows = self._grids.rows(cloud.xyz_m, cloud.intensity, self._threads)
        rows_done = time.perf_counter()
        inputs = self._session.inputs(rows)
        inputs_done = time.perf_counter()
        scores = self._session.run(inputs)
        return scores, rows.row_of_point.astype(np.int32), (rows_done, inputs_done, time.perf_counter())
