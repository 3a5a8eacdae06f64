"""Neighbours of a 5^3 convolution on the finest level: the stem of MinkUNet14A, 18A and 34C."""

from functools import partial

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.threads import HelperThreads, default_threads

WIDE_KERNEL = 125  # offsets, z fastest; the middle one is the voxel itself
_ROWS_PER_TASK = 16_384
_KEY_BITS = 63  # a positive int64


def wide_table(coords: np.ndarray, batch: np.ndarray | None = None, threads: int | None = None) -> np.ndarray:
    """(M, 125) int32 neighbour at each 5^3 offset, z fastest; M where there is none.

    coords: (M, 3) int32 >= 0, each once, sorted by (batch, x, y, z), as build_kernel_maps() has accepted them; batch: (M,)
    scan of each. Raises BadPointCloud where their keys with two steps on every side do not fit 63 bits.
    """
    from lidar_vl_core.voxels.kernel_map_loops import wide_neighbours

    count = len(coords)
    table = np.full((count, WIDE_KERNEL), count, np.int32)
    if not count:
        return table
    x, y, z = coords.astype(np.int64).T
    scan = np.zeros(count, np.int64) if batch is None else batch.astype(np.int64)
    # A key holds c + 2 in room for c + 4: two neighbour steps cannot borrow.
    y_shift = int(z.max() + 4).bit_length()
    x_shift = y_shift + int(y.max() + 4).bit_length()
    batch_shift = x_shift + int(x.max() + 4).bit_length()
    if batch_shift + int(scan.max()).bit_length() > _KEY_BITS:
        raise BadPointCloud(
            f"coords and batch: expected to fit {_KEY_BITS} bits together for a 5^3 convolution, found up to "
            f"{(int(x.max()), int(y.max()), int(z.max()))} in {int(scan.max()) + 1} scans. Use larger voxels or a smaller batch."
        )
    keys = (scan << batch_shift) + ((x + 2) << x_shift) + ((y + 2) << y_shift) + z + 2
    with HelperThreads(threads or default_threads()) as helpers:
        for first in range(0, count, _ROWS_PER_TASK):
            last = min(first + _ROWS_PER_TASK, count)
            helpers.add(partial(wide_neighbours, keys, y_shift, x_shift, first, last, table))
    return table
