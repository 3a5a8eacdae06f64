"""What WaffleIron reads of a cloud: one point per voxel, its neighbours, and its cells in three flat grids."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise

FEATURES = ("intensity", "x", "y", "z", "radius")  # of every kept point
NEIGHBOURS = 16
PLANES = ((0, 1), (0, 2), (1, 2))  # axes that stay when z, y, x is flattened, in the order of the layers

_WORLD_M = (-400.0, -400.0, -100.0, 400.0, 400.0, 100.0)  # no LiDAR sees farther


@dataclass(frozen=True)
class FlatRows:
    """One scan; rows (R) are its kept points."""

    features: np.ndarray  # (R, 5) float32, FEATURES in metres and 0..1
    neighbours: np.ndarray  # (R, 16) int64 rows
    cells: np.ndarray  # (3, R) int64 cell of every row in the grid of each plane
    row_of_point: np.ndarray  # (N,) int64, -1 = none


@dataclass(frozen=True)
class FlatGrids:
    """Keeps the first point of every voxel; the others read its row.

    Points beyond the range of the grids keep their own row and fall into the nearest border cell. The paper drops them and
    lets them read the nearest point within, which would pair them with pixels of other things. Points that are not finite,
    or more than 400 m away, have no row.
    """

    voxel_size_m: tuple[float, float, float]
    point_cloud_range_m: tuple[float, float, float, float, float, float]
    cell_m: float  # side of the cells, at least: whole numbers of cells fill the range
    max_points: int | None  # most rows of a scan; dropped points read the nearest kept one. None = all

    def __post_init__(self) -> None:
        """Raise BadConfig where a flat grid would have no cell, or a scan no row."""
        if self.cell_m <= 0 or min(self.cells_per_axis) < 1:
            raise BadConfig(
                f"waffle_cell_m: expected cells above 0 that fit into the range {self.point_cloud_range_m}, found "
                f"{self.cell_m} m. Choose smaller cells."
            )
        if self.max_points is not None and self.max_points < 1:
            raise BadConfig(f"waffle_max_points: expected at least 1, found {self.max_points}.")
        VoxelGrid("cartesian", self.voxel_size_m, _WORLD_M)  # raises for voxels without a size

    @property
    def cells_per_axis(self) -> tuple[int, int, int]:
        """Cells along x, y and z: 166, 166 and 16 for cells of 0.6 m in +-50, +-50, +-5 m."""
        low, high = self.point_cloud_range_m[:3], self.point_cloud_range_m[3:]
        x, y, z = (int((top - bottom) / self.cell_m + 1e-6) for bottom, top in zip(low, high, strict=True))
        return x, y, z

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Cells of the plane of each layer, in the order of PLANES."""
        count = self.cells_per_axis
        return tuple((count[first], count[second]) for first, second in PLANES)

    def rows(self, xyz_m: np.ndarray, intensity: np.ndarray, threads: int = 1) -> FlatRows:
        """Inputs of a scan: points (N, 3) float32 in metres and intensities (N,); values that are not finite count as 0."""
        from scipy.spatial import cKDTree

        voxel = voxelise(xyz_m, VoxelGrid("cartesian", self.voxel_size_m, _WORLD_M)).point_to_voxel.astype(np.int64)
        first_point = _first_point(voxel)
        row_of_voxel = np.arange(len(first_point))
        kept = first_point
        if self.max_points is not None and len(kept) > self.max_points:
            chosen = np.linspace(0, len(kept) - 1, self.max_points).astype(np.int64)  # voxels are sorted: thins evenly
            kept = first_point[chosen]
            row_of_voxel = cKDTree(xyz_m[kept]).query(xyz_m[first_point], workers=threads)[1]
        row_of_point = np.where(voxel < 0, -1, np.append(row_of_voxel, -1)[voxel])
        kept_xyz_m = xyz_m[kept]
        brightness = np.where(np.isfinite(intensity[kept]), intensity[kept], 0)
        radius_m = np.linalg.norm(kept_xyz_m, axis=1)
        features = np.column_stack([brightness, kept_xyz_m, radius_m]).astype(np.float32)
        return FlatRows(features, _neighbours(kept_xyz_m, threads), self._cells(kept_xyz_m), row_of_point)

    def _cells(self, xyz_m: np.ndarray) -> np.ndarray:
        """(3, R) int64 cell in the flat grid of each plane."""
        low, high = np.array(self.point_cloud_range_m[:3]), np.array(self.point_cloud_range_m[3:])
        count = np.array(self.cells_per_axis)
        cell = np.clip(np.floor((xyz_m - low) * (count / (high - low))), 0, count - 1).astype(np.int64)
        return np.stack([cell[:, first] * count[second] + cell[:, second] for first, second in PLANES])


def _first_point(voxel: np.ndarray) -> np.ndarray:
    """(M,) the first point, in file order, of every voxel 0..M-1; voxel: (N,) with -1 for none."""
    inside = np.flatnonzero(voxel >= 0)[::-1]
    first = np.empty(voxel.max(initial=-1) + 1, np.int64)
    first[voxel[inside]] = inside  # of several, the last one written stays
    return first


def _neighbours(xyz_m: np.ndarray, threads: int) -> np.ndarray:
    """(R, 16) int64 nearest other points; where there are fewer, the point itself fills up."""
    from scipy.spatial import cKDTree

    if len(xyz_m) == 0:
        return np.zeros((0, NEIGHBOURS), np.int64)
    nearest = cKDTree(xyz_m).query(xyz_m, k=NEIGHBOURS + 1, workers=threads)[1][:, 1:]  # without the point itself
    return np.where(nearest == len(xyz_m), np.arange(len(xyz_m))[:, None], nearest)
