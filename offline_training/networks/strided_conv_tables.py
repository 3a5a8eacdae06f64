"""Index tables of sparse convolutions with any kernel, stride and padding: who feeds whom, in numpy."""

from dataclasses import dataclass

import numpy as np

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class StridedConv:
    """Geometry of a convolution along x, y, z."""

    kernel: Triple
    stride: Triple
    padding: Triple

    def shape_after(self, shape: Triple) -> Triple:
        """Cells of the output for that many cells of the input."""
        spans = zip(shape, self.kernel, self.stride, self.padding, strict=True)
        x, y, z = ((cells + 2 * pad - kernel) // stride + 1 for cells, kernel, stride, pad in spans)
        return x, y, z


def strided_conv_table(sites: np.ndarray, shape: Triple, conv: StridedConv) -> tuple[np.ndarray, np.ndarray]:
    """Active cells of the output, and the input row that each reads at each kernel offset.

    sites: (M, 4) int64 scan, x, y, z of the active cells, each once, within shape. An output cell o reads the input cell
    o * stride - padding + offset, offsets in lexicographic order, z fastest; it is active where it reads at least one.
    Returns sites (N, 4) int64 sorted by scan, x, y, z, and index (N, K) int64 with M for what is missing.
    """
    shape_after = np.array(conv.shape_after(shape))
    if len(sites) == 0 or shape_after.min() < 1:
        return np.empty((0, 4), np.int64), np.empty((0, int(np.prod(conv.kernel))), np.int64)
    dimensions = (int(sites[:, 0].max()) + 1, *shape_after.tolist())
    keys, rows, offsets = [], [], []
    for k, offset in enumerate(np.ndindex(conv.kernel)):
        shifted = sites[:, 1:] + np.array(conv.padding) - np.array(offset)
        cell, rest = np.divmod(shifted, conv.stride)
        reads = np.flatnonzero(((rest == 0) & (cell >= 0) & (cell < shape_after)).all(axis=1))
        keys.append(np.ravel_multi_index((sites[reads, 0], *cell[reads].T), dimensions))
        rows.append(reads)
        offsets.append(np.full(len(reads), k))
    unique, output_row = np.unique(np.concatenate(keys), return_inverse=True)
    index = np.full((len(unique), int(np.prod(conv.kernel))), len(sites), np.int64)
    index[output_row, np.concatenate(offsets)] = np.concatenate(rows)
    return np.stack(np.unravel_index(unique, dimensions), axis=1).astype(np.int64), index
