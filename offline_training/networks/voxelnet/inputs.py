"""Scans to the inputs of VoxelNet: mean points of voxels, tables of its convolutions, and where points lie in its map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE, encoder_tables, map_shape
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.mean_points import mean_points
from offline_training.networks.base.point_backbone import BackboneInputs, Scan
from offline_training.networks.voxelnet.conv_tables import ConvTables

_MAX_POINTS_PER_VOXEL, _MAX_VOXELS = 10, 60_000


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
        low, high = self.grid.range_min, self.grid.range_max
        square = -low[0] == -low[1] == high[0] == high[1]
        if self.grid.kind != "cartesian" or not square:
            raise BadConfig(
                "voxelnet: expected a cartesian grid over a square around the sensor, found grid_kind "
                f"{self.grid.kind} and point_cloud_range {(*low, *high)}. Write e.g. -51.2, -51.2, -5, 51.2, 51.2, 3."
            )
        if self.grid.shape[0] % MAP_STRIDE or map_shape(self.grid.shape)[2] != 1:
            raise BadConfig(
                f"voxelnet: expected cells along x and y in eights and 25 to 40 along z, found {self.grid.shape}. "
                "Write e.g. voxel_size 0.1, 0.1, 0.2 over 102.4 x 102.4 x 8 m."
            )

    def __call__(self, scans: Sequence[Scan]) -> VoxelNetInputs:
        """Join the voxels and points of all scans."""
        parts = [self._mean_points(xyz_m, intensity) for xyz_m, intensity, *_ in scans]
        sites = [np.insert(coords, 0, scan, axis=1) for scan, (coords, _, _) in enumerate(parts)]
        tables = encoder_tables(np.concatenate(sites), self.grid.shape)
        inside = np.concatenate([is_inside for _, _, is_inside in parts])
        points_per_scan = tuple(len(xyz_m) for xyz_m, *_ in scans)
        scan_of_point = np.repeat(np.arange(len(scans)), points_per_scan)
        xyz_m = np.concatenate([xyz_m for xyz_m, *_ in scans])[inside]
        corner_cell, corner_weight = _corners(xyz_m, scan_of_point[inside], tables.cells[-1], self.grid)
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
        near = np.hypot(*xyz_m[:, :2].T.astype(np.float64)) <= self.grid.range_max[0]
        near_xyz_m = np.where(near[:, None], xyz_m, np.float32(np.nan))
        values = intensity[:, None] * self.intensity_scale
        return mean_points(near_xyz_m, values, self.grid, _MAX_POINTS_PER_VOXEL, _MAX_VOXELS)


def _corners(xyz_m: np.ndarray, scan: np.ndarray, cells: np.ndarray, grid: VoxelGrid) -> tuple[np.ndarray, np.ndarray]:
    """The four map cells around each point and their bilinear weights: (R, 4) int64 and (R, 4) float32.

    A cell's value lies at its lower corner, as in OpenPCDet (no half cell of offset); beyond the last cell it stays.
    """
    width, depth, _ = map_shape(grid.shape)
    row_at = np.full((int(scan.max(initial=0)) + 1, width, depth), len(cells), np.int64)
    row_at[cells[:, 0], cells[:, 1], cells[:, 2]] = np.arange(len(cells))
    size_m = MAP_STRIDE * np.array(grid.voxel_size[:2])
    position = (xyz_m[:, :2].astype(np.float64) - grid.range_min[:2]) / size_m
    low = np.minimum(position.astype(np.int64), (width - 1, depth - 1))
    high = np.minimum(low + 1, (width - 1, depth - 1))
    share = position - low
    corner_cell, corner_weight = [], []
    for x, x_share in ((low[:, 0], 1 - share[:, 0]), (high[:, 0], share[:, 0])):
        for y, y_share in ((low[:, 1], 1 - share[:, 1]), (high[:, 1], share[:, 1])):
            corner_cell.append(row_at[scan, x, y])
            corner_weight.append(x_share * y_share)
    return np.stack(corner_cell, axis=1), np.stack(corner_weight, axis=1).astype(np.float32)
