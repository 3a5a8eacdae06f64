"""A segmentation network that answers for points instead of voxels: VoxelNet, whose map points lie in."""

import time

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.point_session import open_point_session
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.voxels.point_corners import point_arrays

_SCALES = {"intensity": 1.0, "intensity_255": 255.0}  # by the last of the features


class PointNetwork:
    """The network of a package, and what it reads of clouds."""

    def __init__(self, package: ModelPackage, engine: str, threads: int | None) -> None:
        """Load it. Raises EngineUnavailable or BadModelPackage."""
        self._grid, self._threads = package.grid, threads
        self._scale = np.float32(_SCALES[package.manifest.features[-1]])
        self._session = open_point_session(package, engine, threads)

    @property
    def engine_name(self) -> str:
        """The engine that runs it."""
        return self._session.engine_name

    @property
    def engine_problem(self) -> str:
        """Why another engine runs it than was asked for; empty where none does."""
        return self._session.engine_problem

    def run(self, cloud: PointCloud) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
        """(R, K) scores, (N,) int32 their row for each point or -1, and when voxels, tables and network were done."""
        arrays = point_arrays(cloud.xyz_m, cloud.intensity[:, None] * self._scale, self._grid, self._threads)
        arrays_done = time.perf_counter()
        scores = self._session.run(arrays)
        return scores, arrays.row_of_point, (arrays_done, arrays_done, time.perf_counter())
