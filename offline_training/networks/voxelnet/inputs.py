"""Scans to the inputs of VoxelNet: mean points of voxels, tables of its convolutions, and where points lie in its map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.encoder_tables import encoder_tables
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.mean_points import mean_points
from lidar_vl_core.voxels.point_corners import MOST_POINTS, MOST_VOXELS, corners, only_near, require_point_map
from offline_training.networks.base.point_backbone import BackboneInputs, Scan
from offline_training.networks.voxelnet.conv_tables import ConvTables


@dataclass(frozen=True)
class VoxelNetInputs(BackboneInputs):
    """Rows are the points inside the range; the active cells (A) are those of the map seen from above."""

    features: Tensor  # (V, 4) float32 mean x, y, z in metres and intensity of each voxel
    tables: ConvTables
    corner_cell: Tensor  # (R, 4) int64 active cell at the four corners around each row, A = an empty cell
    corner_weight: Tensor  # (R, 4) float32 bilinear weights


@dataclass(frozen=True)
class VoxelNetPreparer:
    """Voxelises scans as OpenPCDet does for detection. Raises BadConfig for a grid in which VoxelNet has no map."""

    grid: VoxelGrid
    intensity_scale: float  # 255: as nuScenes stores it, which published weights expect; 1: as KITTI stores it
    form: str = "auto"

    def __post_init__(self) -> None:
        require_point_map(self.grid)

    def __call__(self, scans: Sequence[Scan]) -> VoxelNetInputs:
        """Join the voxels and points of all scans."""
        parts = [self._mean_points(xyz_m, intensity) for xyz_m, intensity, *_ in scans]
        sites = [np.insert(coords, 0, scan, axis=1) for scan, (coords, _, _) in enumerate(parts)]
        tables = encoder_tables(np.concatenate(sites), self.grid.shape)
        inside = np.concatenate([is_inside for _, _, is_inside in parts])
        points_per_scan = tuple(len(xyz_m) for xyz_m, *_ in scans)
        scan_of_point = np.repeat(np.arange(len(scans)), points_per_scan)
        xyz_m = np.concatenate([xyz_m for xyz_m, *_ in scans])[inside]
        corner_cell, corner_weight = corners(xyz_m, scan_of_point[inside], tables.cells[-1], self.grid)
        return VoxelNetInputs(
            row_of_point=torch.from_numpy(np.where(inside, np.cumsum(inside) - 1, -1)),
            row_count=len(xyz_m),
            points_per_scan=points_per_scan,
            features=torch.from_numpy(np.concatenate([features for _, features, _ in parts])),
            tables=ConvTables.of(tables, self.form),
            corner_cell=torch.from_numpy(corner_cell),
            corner_weight=torch.from_numpy(corner_weight),
        )

    def _mean_points(self, xyz_m: np.ndarray, intensity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(V, 3) int32 voxels, (V, 4) their mean points, (N,) bool: the point is within the range.

        As the voxels of OpenPCDet fill in the order of the points, a voxel has its first ten, and a scan its first voxels.
        """
        values = intensity[:, None] * self.intensity_scale
        return mean_points(only_near(xyz_m, self.grid), values, self.grid, MOST_POINTS, MOST_VOXELS)
