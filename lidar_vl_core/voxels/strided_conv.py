"""Index tables of sparse convolutions with any kernel, stride and padding: which input rows each output row reads."""

import math
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.errors import BadPointCloud

Triple = tuple[int, int, int]
_MOST_CELLS = 1 << 33  # of the output, of all scans: a gigabyte of bits; a dense map of them would be larger by far


@dataclass(frozen=True)
class StridedConv:
    """Geometry of a convolution along x, y, z."""

    kernel: Triple
    stride: Triple
    padding: Triple

    @property
    def volume(self) -> int:
        """K, the offsets of the kernel."""
        x, y, z = self.kernel
        return x * y * z

    def shape_after(self, shape: Triple) -> Triple:
        """Cells of the output for that many cells of the input."""
        spans = zip(shape, self.kernel, self.stride, self.padding, strict=True)
        x, y, z = ((cells + 2 * pad - kernel) // stride + 1 for cells, kernel, stride, pad in spans)
        return x, y, z


def strided_conv_table(sites: np.ndarray, shape: Triple, conv: StridedConv) -> tuple[np.ndarray, np.ndarray]:
    """Active cells of the output, and the input row that each reads at each kernel offset.

    sites: (M, 4) int32 scan, x, y, z of the active cells, each once, within shape. An output cell o reads the input cell
    o * stride - padding + offset, offsets in lexicographic order, z fastest; it is active where it reads at least one.
    Returns sites (N, 4) int32 sorted by scan, x, y, z, and index (N, K) int32 with M for what is missing. Raises
    BadPointCloud for cells outside the shape, and for an output of too many cells.
    """
    from lidar_vl_core.voxels.encoder_loops import WORD_SHIFT, fill_table, list_pairs, marked_before

    shape_after = conv.shape_after(shape)
    if len(sites) == 0 or min(shape_after) < 1:
        return np.empty((0, 4), np.int32), np.empty((0, conv.volume), np.int32)
    if sites.min() < 0 or (sites[:, 1:].max(axis=0) >= shape).any():
        raise BadPointCloud(f"sites: expected cells within {shape}, found others. Take them from voxels of that grid.")
    shape_of_all = (int(sites[:, 0].max()) + 1, *shape_after)
    cells = math.prod(shape_of_all)
    if cells > _MOST_CELLS:
        raise BadPointCloud(f"sites: expected at most {_MOST_CELLS} cells of output, found {cells}. Use larger voxels.")
    read = read_only(sites, np.int32)
    kernel, stride, padding = (np.array(numbers, np.int64) for numbers in (conv.kernel, conv.stride, conv.padding))
    cells_after = np.array(shape_after, np.int64)
    words = np.zeros((cells >> WORD_SHIFT) + 1, np.int64)
    most = len(sites) * math.prod(-(-size // step) for size, step in zip(conv.kernel, conv.stride, strict=True))
    cell_of_pair, site_of_pair, offset_of_pair = (
        np.empty(most, np.int64),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
    )
    pairs = list_pairs(read, kernel, stride, padding, cells_after, words, cell_of_pair, site_of_pair, offset_of_pair)
    before = np.empty(len(words), np.int32)
    count = marked_before(words, before)
    cell_of_row = np.empty(count, np.int64)
    index = np.full((count, conv.volume), len(sites), np.int32)
    fill_table(cell_of_pair[:pairs], site_of_pair[:pairs], offset_of_pair[:pairs], words, before, cell_of_row, index)
    return np.column_stack(np.unravel_index(cell_of_row, shape_of_all)).astype(np.int32), index
