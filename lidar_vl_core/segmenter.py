"""A point cloud in, one class per point out: voxels, kernel maps, network, labels. Measures its own time."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.errors import BadPointCloud
from lidar_vl_core.features import voxel_features
from lidar_vl_core.kernel_maps import build_kernel_maps
from lidar_vl_core.labels import IGNORE_ID, ClassTable
from lidar_vl_core.point_cloud import PointCloud
from lidar_vl_core.runtime import open_session
from lidar_vl_core.voxels import VoxelGrid, read_only, voxelise

if TYPE_CHECKING:
    from lidar_vl_core.model_package import ModelPackage

_WARM_UP_POINTS = 500


@dataclass(frozen=True)
class PointLabels:
    """The answer for one cloud, one entry per input point, in input order."""

    class_id: np.ndarray  # (N,) uint8; 255 = no answer: the point is not finite or out of the network's range
    probability: np.ndarray  # (N,) float32, 0..1, softmax of the given class; 0 where there is no answer
    timing_ms: dict[str, float]  # "voxels" (with features), "maps", "network", "labels", "total"


class Segmenter:
    """A model package ready to label clouds, one at a time."""

    def __init__(
        self,
        package: "ModelPackage",
        engine: str = "auto",
        threads: int | None = None,
        max_points: int = 2_000_000,  # ten times the largest sweep of the data sets: a wrong message, not a sensor
    ) -> None:
        """Load the network. Raises EngineUnavailable or BadModelPackage."""
        self._package = package
        self._grid = package.grid
        self._threads = threads
        self._max_points = max_points
        self._session = open_session(package, engine, threads)

    @property
    def classes(self) -> ClassTable:
        """The classes a label may have."""
        return self._package.classes

    @property
    def engine_name(self) -> str:
        """The engine that runs the network, e.g. "fused"."""
        return self._session.engine_name

    def warm_up(self) -> None:
        """Label a made-up cloud, so that nothing is compiled or loaded while the first message waits."""
        xyz_m = _cloud_in(self._grid)
        self.segment(PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "warm_up"))

    def segment(self, cloud: PointCloud) -> PointLabels:
        """Label every point of a cloud, never one more or less. Raises BadPointCloud for more than max_points."""
        if len(cloud) > self._max_points:
            raise BadPointCloud(
                f"cloud of {len(cloud)} points: expected at most {self._max_points}. "
                "Split it, or raise max_points if your sensor really gives so many."
            )
        started = time.perf_counter()
        voxels = voxelise(cloud.xyz_m, self._grid)
        if len(voxels.coords) == 0:
            return _no_answers(len(cloud), started)
        names = self._package.manifest.features
        features = voxel_features(cloud.xyz_m, cloud.intensity, voxels, self._grid, names, self._threads)
        voxels_done = time.perf_counter()
        maps = build_kernel_maps(voxels.coords, self._package.manifest.levels, threads=self._threads)
        maps_done = time.perf_counter()
        logits = self._session.run(features, maps)
        network_done = time.perf_counter()
        class_id, probability = label_points(logits, voxels.point_to_voxel)
        moments = (started, voxels_done, maps_done, network_done, time.perf_counter())
        return PointLabels(class_id, probability, _timing_ms(moments))


def label_points(logits: np.ndarray, point_to_voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best class and its softmax probability for each point, from its voxel's logits.

    logits: (M, K) float32; point_to_voxel: (N,) int32, -1 = none. Returns (N,) uint8, 255 = no answer, and (N,)
    float32. A voxel whose logits are not all finite has no answer; of equal logits the first class wins.
    """
    from lidar_vl_core.label_loops import best_classes, spread_to_points

    best, below_best = best_classes(read_only(logits, np.float32))
    np.exp(below_best, out=below_best)
    return spread_to_points(best, below_best, read_only(point_to_voxel, np.int32))


def _no_answers(points: int, started: float) -> PointLabels:
    done = time.perf_counter()
    timing_ms = _timing_ms((started, done, done, done, done))
    return PointLabels(np.full(points, IGNORE_ID, np.uint8), np.zeros(points, np.float32), timing_ms)


def _timing_ms(moments: tuple[float, ...]) -> dict[str, float]:
    stages = ("voxels", "maps", "network", "labels")
    timing_ms = {name: 1e3 * (moments[i + 1] - moments[i]) for i, name in enumerate(stages)}
    return {**timing_ms, "total": 1e3 * (moments[-1] - moments[0])}


def _cloud_in(grid: VoxelGrid) -> np.ndarray:
    """(N, 3) float32 points along the diagonal of the grid's range."""
    fraction = np.linspace(0.01, 0.99, _WARM_UP_POINTS)[:, None]
    low, high = np.array(grid.range_min), np.array(grid.range_max)
    axes = low + fraction * (high - low)
    if grid.kind == "cylindrical":
        rho, phi, z = axes.T
        axes = np.column_stack([rho * np.cos(phi), rho * np.sin(phi), z])
    return axes.astype(np.float32)
