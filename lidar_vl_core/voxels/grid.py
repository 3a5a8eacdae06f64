"""Points to voxels and back, for cartesian and cylindrical grids; the same code for training and robot."""

import math
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadConfig, BadPointCloud

KINDS = ("cartesian", "cylindrical")
_MAX_CELLS_PER_AXIS = 1 << 20  # three axes and a batch index share one 63-bit key
_FULL_TURN_TOLERANCE_RAD = 1e-3  # so that -3.1416..3.1416 and -3.141..3.141 both close the circle


@dataclass(frozen=True)
class VoxelGrid:
    """Regular cells over a box (cartesian: x, y, z) or a ring (cylindrical: rho, phi, z). Checks itself once.

    The lower face belongs to the grid, the upper face does not; an angle that spans a full turn has no outside.
    """

    kind: str  # "cartesian" or "cylindrical"
    voxel_size: tuple[float, float, float]  # cartesian: m, m, m; cylindrical: rho m, phi rad, z m
    point_cloud_range: tuple[float, ...]  # six numbers, min x, y, z, max x, y, z; or min rho, phi, z, max rho, phi, z

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadConfig(f"grid kind: expected one of {', '.join(KINDS)}, found {self.kind!r}.")
        _require_numbers("voxel_size", self.voxel_size, 3)
        _require_numbers("point_cloud_range", self.point_cloud_range, 6)
        if min(self.voxel_size) <= 0:
            raise BadConfig(f"voxel_size: expected numbers above 0, found {tuple(self.voxel_size)}.")
        if any(low >= high for low, high in zip(self.range_min, self.range_max, strict=True)):
            raise BadConfig(
                f"point_cloud_range: expected minimum below maximum on each axis, found {tuple(self.point_cloud_range)}."
                " Write min x, y, z, then max x, y, z."
            )
        if max(self.shape) > _MAX_CELLS_PER_AXIS:
            raise BadConfig(
                f"grid: expected at most {_MAX_CELLS_PER_AXIS} cells on an axis, found {self.shape}. "
                "Use a larger voxel_size or a smaller point_cloud_range."
            )

    @property
    def range_min(self) -> tuple[float, float, float]:
        """Lower corner in the grid's own coordinates."""
        return (self.point_cloud_range[0], self.point_cloud_range[1], self.point_cloud_range[2])

    @property
    def range_max(self) -> tuple[float, float, float]:
        """Upper corner in the grid's own coordinates."""
        return (self.point_cloud_range[3], self.point_cloud_range[4], self.point_cloud_range[5])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of cells on each axis; the last cell may reach beyond the range."""
        low, high, size = self.range_min, self.range_max, self.voxel_size
        cells = [(high[axis] - low[axis]) / size[axis] for axis in range(3)]
        # 102.4 / 0.05 is 2048.0000000000002: a rounding error must not add a cell.
        return (_cells(cells[0]), _cells(cells[1]), _cells(cells[2]))

    @property
    def full_turn(self) -> bool:
        """True where the second axis is an angle that covers the whole circle."""
        turn = self.point_cloud_range[4] - self.point_cloud_range[1]
        return self.kind == "cylindrical" and turn >= 2 * math.pi - _FULL_TURN_TOLERANCE_RAD


@dataclass(frozen=True)
class Voxels:
    """The occupied cells of one scan and where each point went."""

    coords: np.ndarray  # (M, 3) int32, sorted by x, then y, then z; counted from the range's minimum corner
    point_to_voxel: np.ndarray  # (N,) int32 row of coords, or -1 for a point that is not finite or out of range


def voxelise(xyz_m: np.ndarray, grid: VoxelGrid) -> Voxels:
    """Assign points to voxels; a point that is out of range or not finite gets voxel -1.

    xyz_m: (N, 3) float32, metres. The cell is floor((p - minimum) * (1 / voxel_size)) in float64, here and nowhere else, with
    p = (x, y, z) or (sqrt(x^2 + y^2), atan2(y, x), z). The set of voxels does not depend on the points' order.
    Raises BadPointCloud for another shape, and for more points than can be sorted beside so fine a grid.
    """
    from lidar_vl_core.voxels.grid_loops import cell_keys, sort_keys, unique_voxels

    xyz_m = read_only(xyz_m, np.float32)
    if xyz_m.ndim != 2 or xyz_m.shape[1] != 3:
        raise BadPointCloud(f"xyz_m: expected shape (N, 3), found {xyz_m.shape}. Give one row of x, y, z per point.")
    index_bits = max(1, (len(xyz_m) - 1).bit_length())
    axis_bits = [(cells - 1).bit_length() for cells in grid.shape]
    key_bits = max(1, sum(axis_bits))
    if index_bits + key_bits > 63:
        raise BadPointCloud(
            f"cloud of {len(xyz_m)} points: expected at most {1 << max(0, 63 - key_bits)} for a grid of {grid.shape} "
            "cells. Use a larger voxel_size or split the cloud."
        )
    point_to_voxel = np.empty(len(xyz_m), np.int32)
    cells_per_unit = 1.0 / np.array(grid.voxel_size, np.float64)
    last_cell = np.array(grid.shape, np.int64) - 1
    shifts = np.array([index_bits + axis_bits[1] + axis_bits[2], index_bits + axis_bits[2], index_bits])
    keys = cell_keys(xyz_m, *grid_axes(grid), cells_per_unit, last_cell, shifts, point_to_voxel)
    coords = unique_voxels(sort_keys(keys, index_bits, key_bits), shifts, point_to_voxel)
    return Voxels(coords, point_to_voxel)


def grid_axes(grid: VoxelGrid) -> tuple[np.ndarray, np.ndarray, bool, bool]:
    """Range minimum (3,), range maximum (3,), cylindrical, full turn: the grid as the compiled loops take it."""
    low, high = np.array(grid.range_min, np.float64), np.array(grid.range_max, np.float64)
    return low, high, grid.kind == "cylindrical", grid.full_turn


def _cells(count: float) -> int:
    return max(1, math.ceil(count - 1e-6)) if count < 2 * _MAX_CELLS_PER_AXIS else 2 * _MAX_CELLS_PER_AXIS


def _require_numbers(name: str, values: tuple[float, ...], count: int) -> None:
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise BadConfig(f"{name}: expected {count} finite numbers, found {tuple(values)}.")
