"""The convolutions of VoxelNet's encoder as tables: who feeds whom on each level, from its voxels down to the cells of its map."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lidar_vl_core.foundation.threads import HelperThreads, default_threads
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.strided_conv import StridedConv, Triple, strided_conv_table

# Kernel, stride and padding along x, y, z, of the convolutions that leave each of the four levels.
STRIDED = (
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    StridedConv((3, 3, 3), (2, 2, 2), (1, 1, 0)),
    StridedConv((1, 1, 3), (1, 1, 2), (0, 0, 0)),
)
MAP_STRIDE = 8  # voxels per cell of the map, along x and y


@dataclass(frozen=True)
class EncoderTables:
    """Who feeds whom in each convolution, and the active cells of each level, of the map last. Missing = rows of the level read."""

    counts: tuple[int, ...]  # rows of each level, the map's cells last
    subm: tuple[np.ndarray, ...]  # level l: (V_l, 27) int32
    strided: tuple[np.ndarray, ...]  # level l: (V_{l+1}, K) int32 rows of level l; after the last level the map's cells
    cells: tuple[np.ndarray, ...]  # (V_l, 4) int32 scan, x, y, z, sorted

    def table(self, kind: str, level: int) -> np.ndarray:
        """The table "subm" or "strided" of this number, (rows, K) int32."""
        return {"subm": self.subm, "strided": self.strided}[kind][level]


def encoder_tables(sites: np.ndarray, shape: Triple, threads: int | None = None) -> EncoderTables:
    """Tables of all levels from the voxels of a batch.

    sites: (V, 4) int32 scan, x, y, z, sorted, within shape, the cells of the grid along x, y, z.
    """
    subm: dict[int, np.ndarray] = {}
    strided, cells = [], [np.ascontiguousarray(sites, np.int32)]

    def find_neighbours(level: int) -> None:
        here = cells[level]
        subm[level] = build_kernel_maps(np.ascontiguousarray(here[:, 1:]), 1, here[:, 0], threads=1).subm[0]

    # Helpers find the neighbours of a level while its cells of the next level, which that one waits for, are found here.
    with HelperThreads(threads or default_threads()) as helpers:
        for level, conv in enumerate(STRIDED):
            helpers.add(partial(find_neighbours, level))
            after, index = strided_conv_table(cells[level], shape, conv)
            strided.append(index)
            cells.append(after)
            shape = conv.shape_after(shape)
    tables = tuple(subm[level] for level in range(len(STRIDED)))
    return EncoderTables(tuple(len(level) for level in cells), tables, tuple(strided), tuple(cells))


def map_shape(shape: Triple) -> Triple:
    """Cells of the map along x, y, z over a grid of that many voxels."""
    for conv in STRIDED:
        shape = conv.shape_after(shape)
    return shape


def map_index(cells: np.ndarray, scans: int, shape: Triple) -> np.ndarray:
    """Which row each cell of a batch's maps takes: (S, D, H, W) int32 rows of cells, len(cells) where it is empty.

    cells: (A, 4) int32 scan, x, y, z, each once; shape: cells along x, y, z.
    """
    width, height, depth = shape
    index = np.full((scans, depth, height, width), len(cells), np.int32)
    scan, x, y, z = cells.T
    index[scan, z, y, x] = np.arange(len(cells), dtype=np.int32)
    return index
