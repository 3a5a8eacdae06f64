"""A cloud as a detector reads it: mean points of voxels, tables of the convolutions, and which row is where in the map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE, EncoderTables, encoder_tables, map_index, map_shape
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.mean_points import mean_points
from lidar_vl_core.voxels.strided_conv import Triple


@dataclass(frozen=True)
class DetectorArrays:
    """One batch of S scans for a sparse encoder and a map of D x H x W cells (z, y, x) behind it."""

    features: np.ndarray  # (V, C) float32 mean x, y, z in metres and of the values of each voxel
    tables: EncoderTables
    map_index: np.ndarray  # (S, D, H, W) int32 row of the encoder's output in each cell; as many as rows = empty


@dataclass(frozen=True)
class DetectorVoxels:
    """How points become the voxels of a detector, as OpenPCDet has it. Raises BadConfig where the encoder has no whole map."""

    grid: VoxelGrid
    most_points: int  # of a voxel that its mean counts: 5 for KITTI, 10 for nuScenes
    most_voxels: int  # of a scan: KITTI 16000 in training and 40000 after, nuScenes 60000

    def __post_init__(self) -> None:
        x, y, z = self.grid.shape
        if self.grid.kind != "cartesian" or x % MAP_STRIDE or y % MAP_STRIDE or min(self.map_shape) < 1:
            raise BadConfig(
                f"detector: expected a cartesian grid with a multiple of 8 cells along x and y and at least 24 along z, found "
                f"{self.grid.kind}, {(x, y, z)}. Write e.g. voxel_size 0.05, 0.05, 0.1 over 70.4 x 80 x 4 m."
            )
        if min(self.most_points, self.most_voxels) < 1:
            raise BadConfig(
                f"detector: expected at least one point per voxel and one voxel, found {self.most_points} and "
                f"{self.most_voxels}."
            )

    @property
    def map_shape(self) -> Triple:
        """Cells of the map along x, y, z."""
        return map_shape(self._shape)

    def arrays(self, scans: Sequence[tuple[np.ndarray, np.ndarray]], threads: int | None = None) -> DetectorArrays:
        """Join the voxels of all scans: points (N, 3) float32 in metres and values (N, C) beside them, NaN points left out."""
        features, sites = [], []
        for number, (xyz_m, values) in enumerate(scans):
            coords, means, _ = mean_points(xyz_m, values, self.grid, self.most_points, self.most_voxels)
            features.append(means)
            sites.append(np.insert(coords, 0, number, axis=1))
        tables = encoder_tables(np.concatenate(sites), self._shape, threads)
        index = map_index(tables.cells[-1], len(scans), self.map_shape)
        return DetectorArrays(np.concatenate(features), tables, index)

    @property
    def _shape(self) -> Triple:
        # OpenPCDet's detectors have one layer of voxels more along z than the range has, always empty: 40 + 1 fold to a
        # map of two cells of height, where pre-training folds 40 to one.
        x, y, z = self.grid.shape
        return x, y, z + 1
