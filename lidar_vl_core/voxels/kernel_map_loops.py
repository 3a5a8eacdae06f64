"""Compiled loops of build_kernel_maps(). Sorted keys turn every search into a merge: a neighbour is key + constant."""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled


@compiled
def bounds(coords: np.ndarray, batch: np.ndarray) -> tuple[np.int64, np.int64, np.int64, np.int64, np.int64]:
    """Largest x, y, z and batch, and the smallest of all numbers; zeros for no voxels. coords: (M, 3); batch: (M,)."""
    x = y = z = scan = lowest = np.int64(0)
    for i in range(len(coords)):
        x = max(x, coords[i, 0])
        y = max(y, coords[i, 1])
        z = max(z, coords[i, 2])
        scan = max(scan, batch[i])
        lowest = min(lowest, min(min(coords[i, 0], coords[i, 1]), min(coords[i, 2], batch[i])))
    return x, y, z, scan, lowest


@compiled
def pack(coords: np.ndarray, batch: np.ndarray, y_shift: int, x_shift: int, batch_shift: int) -> tuple[np.ndarray, int]:
    """(M,) int64 keys, and the first row that is not above the row before it (-1: all are)."""
    keys = np.empty(len(coords), np.int64)
    unsorted_row = -1
    for i in range(len(coords)):
        x = np.int64(coords[i, 0] + 1) << x_shift
        y = np.int64(coords[i, 1] + 1) << y_shift
        keys[i] = (np.int64(batch[i]) << batch_shift) + x + y + coords[i, 2] + 1
        if i > 0 and keys[i] <= keys[i - 1] and unsorted_row < 0:
            unsorted_row = i
    return keys, unsorted_row


@compiled
def neighbours(keys: np.ndarray, y_shift: int, x_shift: int, first: int, last: int, table: np.ndarray) -> None:
    """Write the rows first..last - 1 of a (N, 27) table, and no others: so they may be shared out between threads.

    Only the 13 later neighbours are looked for: who finds j at offset k is j's neighbour at offset 26 - k. So the rows before
    the first, up to a slab of voxels away, are gone through, too.
    """
    one = np.uint64(1)  # an index that may be negative costs numba a comparison each time: all are unsigned
    step_y, step_x = np.int64(1) << y_shift, np.int64(1) << x_shift
    steps = (step_y - 1, step_x - step_y - 1, step_x - 1, step_x + step_y - 1)  # to the four later lines of voxels
    table[first:last] = len(keys)
    entries = table[first:last].reshape(-1)
    first_row, end = np.uint64(first), np.uint64(last)
    start = _first_not_below(keys, keys[first] - (step_x + step_y + 1))
    at_0, at_1 = _first_not_below(keys, keys[start] + steps[0]), _first_not_below(keys, keys[start] + steps[1])
    at_2, at_3 = _first_not_below(keys, keys[start] + steps[2]), _first_not_below(keys, keys[start] + steps[3])
    for i in range(start, end):
        key = keys[i]
        if i >= first_row:
            entries[np.uint64(27) * (i - first_row) + np.uint64(13)] = i
        if i + one < np.uint64(len(keys)) and keys[i + one] == key + 1:
            _meet(entries, first_row, end, i, i + one, np.uint64(14))
        at_0 = _meet_line(keys, key + steps[0], at_0, entries, first_row, end, i, np.uint64(15))
        at_1 = _meet_line(keys, key + steps[1], at_1, entries, first_row, end, i, np.uint64(18))
        at_2 = _meet_line(keys, key + steps[2], at_2, entries, first_row, end, i, np.uint64(21))
        at_3 = _meet_line(keys, key + steps[3], at_3, entries, first_row, end, i, np.uint64(24))


@compiled
def _first_not_below(keys: np.ndarray, wanted: np.int64) -> np.uint64:
    return np.uint64(np.searchsorted(keys, wanted))


@compiled
def _meet_line(
    keys: np.ndarray, wanted: np.int64, at: np.uint64,
    entries: np.ndarray, first_row: np.uint64, end: np.uint64, i: int, column: np.uint64,
) -> np.uint64:  # fmt: skip
    """Voxel i meets those with keys wanted .. wanted + 2; returns the first that is not below, from `at` on."""
    count, one = np.uint64(len(keys)), np.uint64(1)
    while at < count and keys[at] < wanted:
        at += one
    j = at
    while j < count and keys[j] <= wanted + 2:
        _meet(entries, first_row, end, i, j, column + np.uint64(keys[j] - wanted))
        j += one
    return at


@compiled
def _meet(entries: np.ndarray, first_row: np.uint64, end: np.uint64, i: int, j: np.uint64, column: np.uint64) -> None:
    """Enter a voxel and a later one into each other's rows, as far as these are among first_row .. end - 1."""
    if i >= first_row:
        entries[np.uint64(27) * (i - first_row) + column] = j
    if first_row <= j < end:
        entries[np.uint64(27) * (j - first_row) + np.uint64(26) - column] = i


@compiled
def wide_neighbours(keys: np.ndarray, y_shift: int, x_shift: int, first: int, last: int, table: np.ndarray) -> None:
    """As neighbours(), for the (N, 125) table of 5^3 offsets; who finds j at offset k is j's neighbour at offset 124 - k.

    keys: with room for two steps on every side, as wide_table() makes them.
    """
    count = len(keys)
    step_y = np.int64(1) << y_shift
    step_x = np.int64(1) << x_shift
    steps = np.empty(12, np.int64)  # to (dx, dy, -2) of the twelve later lines of voxels
    columns = np.empty(12, np.int64)
    line = 0
    for dx in range(3):
        for dy in range(-2, 3):
            if dx > 0 or dy > 0:
                steps[line] = dx * step_x + dy * step_y - 2
                columns[line] = (dx + 2) * 25 + (dy + 2) * 5
                line += 1
    at = np.empty(12, np.int64)
    for line in range(12):
        at[line] = np.searchsorted(keys, keys[first] + steps[line])
    for i in range(first, last):
        key = keys[i]
        table[i, 62] = i
        for later in range(i + 1, min(i + 3, count)):
            ahead = keys[later] - key
            if ahead <= 2:
                table[i, 62 + ahead] = later
                table[later, 62 - ahead] = i
        for line in range(12):
            wanted = key + steps[line]
            j = at[line]
            while j < count and keys[j] < wanted:
                j += 1
            at[line] = j
            while j < count and keys[j] <= wanted + 4:
                column = columns[line] + (keys[j] - wanted)
                table[i, column] = j
                table[j, 124 - column] = i
                j += 1


@compiled
def parents(
    coords: np.ndarray, batch: np.ndarray, y_shift: int, x_shift: int, batch_shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The next coarser level: coords (P, 3), batch (P,), keys (P,), child (P, 8), up (M,).

    The children of one column of parents lie in four sorted runs, (even, odd x) x (even, odd y): merging them by z
    gives the parents sorted, without a sort.
    """
    count = len(coords)
    parent_coords = np.empty((count, 3), np.int32)
    parent_batch = np.empty(count, np.int32)
    keys = np.empty(count, np.int64)
    child = np.empty((count, 8), np.int32)
    up = np.empty(count, np.int32)
    at = np.empty(4, np.int64)
    end = np.empty(4, np.int64)
    slab_at = np.empty(2, np.int64)
    slab_end = np.empty(2, np.int64)
    row = 0
    found = 0
    while row < count:
        scan = batch[row]
        x = coords[row, 0] >> 1
        for parity in range(2):
            slab_at[parity] = row
            while row < count and batch[row] == scan and coords[row, 0] == 2 * x + parity:
                row += 1
            slab_end[parity] = row
        while slab_at[0] < slab_end[0] or slab_at[1] < slab_end[1]:
            y = _lowest_parent(coords, 1, slab_at, slab_end)
            left = 0
            for run in range(4):
                i = slab_at[run >> 1]
                at[run] = i
                while i < slab_end[run >> 1] and coords[i, 1] == 2 * y + (run & 1):
                    i += 1
                end[run] = i
                slab_at[run >> 1] = i
                left += i - at[run]
            while left > 0:
                z = _lowest_parent(coords, 2, at, end)
                child[found, :] = count
                for run in range(4):
                    while at[run] < end[run] and coords[at[run], 2] >> 1 == z:
                        i = at[run]
                        slot = run * 2 + (coords[i, 2] & 1)
                        child[found, slot] = i
                        up[i] = found * 8 + slot
                        at[run] += 1
                        left -= 1
                parent_coords[found, 0] = x
                parent_coords[found, 1] = y
                parent_coords[found, 2] = z
                parent_batch[found] = scan
                key_x = np.int64(x + 1) << x_shift
                key_y = np.int64(y + 1) << y_shift
                keys[found] = (np.int64(scan) << batch_shift) + key_x + key_y + z + 1
                found += 1
    return parent_coords[:found], parent_batch[:found], keys[:found], child[:found], up


@compiled
def _lowest_parent(coords: np.ndarray, axis: int, at: np.ndarray, end: np.ndarray) -> int:
    """The least coordinate that a parent of the first voxels has; of each run at[i] .. end[i] - 1 the first."""
    lowest = 1 << 30
    for run in range(len(at)):
        if at[run] < end[run]:
            lowest = min(lowest, coords[at[run], axis] >> 1)
    return lowest
