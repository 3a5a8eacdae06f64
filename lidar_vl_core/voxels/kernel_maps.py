"""Neighbour tables of a sparse U-Net, built once per scan and shared by all layers of a level."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.threads import HelperThreads, default_threads
from lidar_vl_core.voxels.wide_table import wide_table

_MAX_LEVELS = 16
_KEY_BITS = 63  # a positive int64
_ROWS_PER_TASK = 8_192  # 0.4 ms: long beside handing a task to a thread; its 0.9 MB stay in the second-level cache


@dataclass(frozen=True)
class KernelMaps:
    """Neighbours, children and parents of voxels on each level of a U-Net. Missing = number of voxels of the level read."""

    counts: tuple[int, ...]  # voxels per level, finest first
    subm: tuple[
        np.ndarray, ...
    ]  # (N_l, 27) int32 neighbour at each 3^3 offset, z fastest; index 13 is the voxel itself
    child: tuple[np.ndarray, ...]  # (N_{l+1}, 8) int32 child on level l at parity x*4 + y*2 + z
    up: tuple[np.ndarray, ...]  # (N_l,) int32 parent*8 + parity
    coords: tuple[np.ndarray, ...]  # (N_l, 3) int32, coords of level 0 >> l
    batch: tuple[np.ndarray, ...] | None = None  # (N_l,) int32 scan of each voxel, where several were given

    @cached_property
    def wide(self) -> np.ndarray:
        """(N_0, 125) int32 neighbour at each 5^3 offset on the finest level; built when first used."""
        return wide_table(self.coords[0], None if self.batch is None else self.batch[0])

    def table(self, kind: str, level: int) -> np.ndarray:
        """The table "subm", "child" or "up" of this number, or "wide", which only the finest level has.

        Shapes: see the class.
        """
        return {"subm": self.subm, "child": self.child, "up": self.up}[kind][level] if kind != "wide" else self.wide


def build_kernel_maps(
    coords: np.ndarray, levels: int = 5, batch: np.ndarray | None = None, threads: int | None = None
) -> KernelMaps:
    """Tables for `levels` levels; 0 and 1 voxel are fine.

    coords: (M, 3) int32 >= 0, each once, sorted by (batch, x, y, z) as voxelise gives them. batch: (M,) int32 >= 0.
    Voxels of different scans are never neighbours. Raises BadPointCloud for unsorted, double or negative coordinates.
    """
    from lidar_vl_core.voxels.kernel_map_loops import pack, parents

    coords = _checked_coords(coords, levels)
    scan = _checked_batch(np.zeros(len(coords), np.int32) if batch is None else batch, len(coords))
    shifts = _shifts(coords, scan)
    keys, unsorted_row = pack(read_only(coords, np.int32), read_only(scan, np.int32), *shifts)
    if unsorted_row >= 0:
        raise BadPointCloud(
            f"coords: expected rows sorted by batch, x, y, z and each once, found row {unsorted_row} = "
            f"{coords[unsorted_row].tolist()} not after the row before. Take them from voxelise()."
        )
    all_coords, all_batch, child, up = [coords], [scan], [], []
    # Helpers fill the neighbour tables of a level while its parents, which the next level waits for, are found here.
    with HelperThreads(threads or default_threads()) as helpers:
        subm = [_neighbour_table(keys, shifts, helpers)]
        for _ in range(levels - 1):
            fine, fine_scan = read_only(coords, np.int32), read_only(scan, np.int32)
            coords, scan, keys, child_table, up_table = parents(fine, fine_scan, *shifts)
            subm.append(_neighbour_table(keys, shifts, helpers))
            all_coords.append(coords)
            all_batch.append(scan)
            child.append(child_table)
            up.append(up_table)
    return KernelMaps(
        counts=tuple(len(level) for level in all_coords),
        subm=tuple(subm),
        child=tuple(child),
        up=tuple(up),
        coords=tuple(all_coords),
        batch=None if batch is None else tuple(all_batch),
    )


def coarser_cells(coords: np.ndarray, levels: int) -> Iterator[np.ndarray]:
    """The cell of each voxel on the levels above, of 2, 4, 8, ... voxels along each axis: (M,) int32 numbers from 0 on.

    coords and what is raised: as build_kernel_maps().
    """
    from lidar_vl_core.voxels.kernel_map_loops import parents

    coords = _checked_coords(coords, levels)
    scan = np.zeros(len(coords), np.int32)
    shifts = _shifts(coords, scan)
    cell = np.arange(len(coords), dtype=np.int32)
    for _ in range(levels):
        coords, scan, _, _, up = parents(read_only(coords, np.int32), read_only(scan, np.int32), *shifts)
        cell = (up >> 3)[cell]
        yield cell


def _neighbour_table(keys: np.ndarray, shifts: tuple[int, int, int], helpers: HelperThreads) -> np.ndarray:
    """(N, 27) int32 table that is complete when the helpers are done."""
    from lidar_vl_core.voxels.kernel_map_loops import neighbours

    y_shift, x_shift, _ = shifts
    table = np.empty((len(keys), 27), np.int32)
    for first in range(0, len(keys), _ROWS_PER_TASK):
        last = min(first + _ROWS_PER_TASK, len(keys))
        helpers.add(partial(neighbours, keys, y_shift, x_shift, first, last, table))
    return table


def _shifts(coords: np.ndarray, batch: np.ndarray) -> tuple[int, int, int]:
    """Bit positions of y, x and batch in a key. A key holds c + 1 in room for c + 2: a neighbour step cannot borrow."""
    from lidar_vl_core.voxels.kernel_map_loops import bounds

    x, y, z, scan, lowest = map(int, bounds(read_only(coords, np.int32), read_only(batch, np.int32)))
    if lowest < 0:
        raise BadPointCloud(
            f"coords and batch: expected numbers >= 0, found {lowest}. Count from the range's minimum corner."
        )
    y_shift = (z + 2).bit_length()
    x_shift = y_shift + (y + 2).bit_length()
    batch_shift = x_shift + (x + 2).bit_length()
    if batch_shift + scan.bit_length() > _KEY_BITS:
        raise BadPointCloud(
            f"coords and batch: expected to fit {_KEY_BITS} bits together, found up to {(x, y, z)} in {scan + 1} scans. "
            "Use larger voxels or a smaller batch."
        )
    return y_shift, x_shift, batch_shift


def _checked_coords(coords: np.ndarray, levels: int) -> np.ndarray:
    if coords.ndim != 2 or coords.shape[1] != 3 or coords.dtype != np.int32:
        raise BadPointCloud(
            f"coords: expected (M, 3) int32, found {coords.shape} {coords.dtype}. Take them from voxelise()."
        )
    if not 1 <= levels <= _MAX_LEVELS:
        raise BadPointCloud(f"levels: expected 1 to {_MAX_LEVELS}, found {levels}. Choose a shallower network.")
    return np.ascontiguousarray(coords)


def _checked_batch(batch: np.ndarray, count: int) -> np.ndarray:
    if batch.shape != (count,):
        raise BadPointCloud(
            f"batch: expected ({count},) scan numbers, found shape {batch.shape}. Give one number per voxel."
        )
    return np.ascontiguousarray(batch, dtype=np.int32)
