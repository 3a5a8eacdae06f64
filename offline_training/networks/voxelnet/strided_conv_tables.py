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
    volume = int(np.prod(conv.kernel))
    shape_after = conv.shape_after(shape)
    if len(sites) == 0 or min(shape_after) < 1:
        return np.empty((0, 4), np.int64), np.empty((0, volume), np.int64)
    dimensions = (int(sites[:, 0].max()) + 1, *shape_after)
    # Offsets along different axes do not ask for each other: nine divisions serve all 27.
    along = [
        [_readers(sites[:, axis + 1], offset, conv, axis, shape_after[axis]) for offset in range(conv.kernel[axis])]
        for axis in range(3)
    ]
    keys, rows, offsets = [], [], []
    for k, offset in enumerate(np.ndindex(conv.kernel)):
        (x, reads_x), (y, reads_y), (z, reads_z) = (along[axis][offset[axis]] for axis in range(3))
        row = np.flatnonzero(reads_x & reads_y & reads_z)
        keys.append(np.ravel_multi_index((sites[row, 0], x[row], y[row], z[row]), dimensions))
        rows.append(row)
        offsets.append(np.full(len(row), k))
    unique, output_row = np.unique(np.concatenate(keys), return_inverse=True)
    index = np.full((len(unique), volume), len(sites), np.int64)
    index[output_row, np.concatenate(offsets)] = np.concatenate(rows)
    return np.stack(np.unravel_index(unique, dimensions), axis=1).astype(np.int64), index


def _readers(
    cells: np.ndarray, offset: int, conv: StridedConv, axis: int, cells_after: int
) -> tuple[np.ndarray, np.ndarray]:
    """(M,) output cell that reads each input cell at an offset of one axis, and (M,) bool: there is one."""
    cell, rest = np.divmod(cells + conv.padding[axis] - offset, conv.stride[axis])
    return cell, (rest == 0) & (cell >= 0) & (cell < cells_after)
