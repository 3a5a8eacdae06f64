"""Compiled loops over the points of a scan, for voxelise() and voxel_features().

A sort key holds the cell above, the point's index below. One file, because numba's cache does not see that a function
of another file has changed.
"""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

SUMS = 5  # columns of add_points(): points, intensity, and the three coordinates along the grid's axes
_DIGIT_BITS = 11  # a histogram of 2048 counters stays in the first-level cache


@compiled
def on_axes(
    x: float, y: float, z: float, range_min: np.ndarray, range_max: np.ndarray, cylindrical: bool, full_turn: bool
) -> tuple[float, float, float]:
    """A point along the grid's axes: (x, y, z) or (rho, phi, z), metres and radians, phi a full turn on where it fits then."""
    if not cylindrical:
        return x, y, z
    phi = math.atan2(y, x)
    if phi < range_min[1]:
        phi += 2 * math.pi
    if phi >= range_max[1]:
        phi -= 2 * math.pi
    if full_turn and phi < range_min[1]:  # a circle written as -3.141..3.141 has a gap that no point may fall into
        phi = range_min[1]
    return math.sqrt(x * x + y * y), phi, z


@compiled
def cell_keys(
    xyz_m: np.ndarray,
    range_min: np.ndarray,
    range_max: np.ndarray,
    cylindrical: bool,
    full_turn: bool,
    cells_per_unit: np.ndarray,
    last_cell: np.ndarray,
    shifts: np.ndarray,
    point_to_voxel: np.ndarray,
) -> np.ndarray:
    """(K,) int64 keys of the points inside, in point order; the others get -1 in point_to_voxel."""
    keys = np.empty(len(xyz_m), np.int64)
    low_x, low_y, low_z = range_min[0], range_min[1], range_min[2]
    high_x, high_y, high_z = range_max[0], range_max[1], range_max[2]
    for i in range(len(xyz_m)):  # no branches but the grid's kind: the compiler makes vector code of it
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        a, b, c = on_axes(x, y, z, range_min, range_max, cylindrical, full_turn)
        # False for NaN; only numbers in range reach the conversion to int, so nothing can wrap.
        inside = (a >= low_x) & (a < high_x) & (b >= low_y) & (b < high_y) & (c >= low_z) & (c < high_z)
        cell_x = min(np.int64(((a if inside else low_x) - low_x) * cells_per_unit[0]), last_cell[0])
        cell_y = min(np.int64(((b if inside else low_y) - low_y) * cells_per_unit[1]), last_cell[1])
        cell_z = min(np.int64(((c if inside else low_z) - low_z) * cells_per_unit[2]), last_cell[2])
        key = (cell_x << shifts[0]) | (cell_y << shifts[1]) | (cell_z << shifts[2]) | i
        keys[i] = key if inside else -1
    found = 0
    for i in range(len(keys)):
        key = keys[i]
        if key < 0:
            point_to_voxel[i] = -1
        else:
            keys[found] = key
            found += 1
    return keys[:found]


@compiled
def sort_keys(keys: np.ndarray, index_bits: int, key_bits: int) -> np.ndarray:
    """Keys sorted by their cell; points of one cell keep their order. Overwrites `keys`. (Radix sort, lowest digit first.)"""
    passes = (key_bits + _DIGIT_BITS - 1) // _DIGIT_BITS
    digit_bits = (key_bits + passes - 1) // passes
    mask = (1 << digit_bits) - 1
    starts = np.zeros((passes, 1 << digit_bits), np.int64)
    for i in range(len(keys)):
        cell = keys[i] >> index_bits
        for digit in range(passes):
            starts[digit, (cell >> (digit * digit_bits)) & mask] += 1
    source = keys
    target = np.empty_like(keys)
    for digit in range(passes):
        start = starts[digit]
        total = 0
        for value in range(len(start)):
            count = start[value]
            start[value] = total
            total += count
        shift = index_bits + digit * digit_bits
        for i in range(len(source)):
            value = (source[i] >> shift) & mask
            target[start[value]] = source[i]
            start[value] += 1
        source, target = target, source
    return source


@compiled
def unique_voxels(keys: np.ndarray, shifts: np.ndarray, point_to_voxel: np.ndarray) -> np.ndarray:
    """(M, 3) int32 cells of sorted keys; fills point_to_voxel for the points inside."""
    coords = np.empty((len(keys), 3), np.int32)
    y_mask = (np.int64(1) << (shifts[0] - shifts[1])) - 1
    z_mask = (np.int64(1) << (shifts[1] - shifts[2])) - 1
    index_mask = (np.int64(1) << shifts[2]) - 1
    voxels = 0
    previous = np.int64(-1)
    for i in range(len(keys)):
        cell = keys[i] >> shifts[2]
        if cell != previous:
            coords[voxels, 0] = keys[i] >> shifts[0]
            coords[voxels, 1] = (keys[i] >> shifts[1]) & y_mask
            coords[voxels, 2] = cell & z_mask
            voxels += 1
            previous = cell
        point_to_voxel[keys[i] & index_mask] = voxels - 1
    return coords[:voxels].copy()


@compiled
def add_points(
    xyz_m: np.ndarray,
    intensity: np.ndarray,
    point_to_voxel: np.ndarray,
    range_min: np.ndarray,
    range_max: np.ndarray,
    cylindrical: bool,
    full_turn: bool,
    first: int,
    last: int,
    sums: np.ndarray,
) -> None:
    """Add the points of the voxels first..last - 1 to sums (M, SUMS) float64, in point order, so that the bits are the
    same however the voxels are shared out between threads.
    """
    for i in range(len(xyz_m)):
        voxel = point_to_voxel[i]
        if voxel < first or voxel >= last:
            continue
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        a, b, c = on_axes(x, y, z, range_min, range_max, cylindrical, full_turn)
        sums[voxel, 0] += 1.0
        sums[voxel, 1] += intensity[i] if math.isfinite(intensity[i]) else 0.0
        sums[voxel, 2] += a
        sums[voxel, 3] += b
        sums[voxel, 4] += c


@compiled
def means(
    sums: np.ndarray, coords: np.ndarray, range_min: np.ndarray, voxel_size: np.ndarray, cylindrical: bool
) -> np.ndarray:
    """(M, 7) float32: points, then of the mean point: intensity, horizontal range, z, and offset from the voxel's centre."""
    result = np.empty((len(sums), 7), np.float32)
    for voxel in range(len(sums)):
        share = 1.0 / max(sums[voxel, 0], 1.0)
        a, b, c = sums[voxel, 2] * share, sums[voxel, 3] * share, sums[voxel, 4] * share
        result[voxel, 0] = sums[voxel, 0]
        result[voxel, 1] = sums[voxel, 1] * share
        result[voxel, 2] = a if cylindrical else math.sqrt(a * a + b * b)
        result[voxel, 3] = c
        result[voxel, 4] = (a - range_min[0]) / voxel_size[0] - (coords[voxel, 0] + 0.5)
        result[voxel, 5] = (b - range_min[1]) / voxel_size[1] - (coords[voxel, 1] + 0.5)
        result[voxel, 6] = (c - range_min[2]) / voxel_size[2] - (coords[voxel, 2] + 0.5)
    return result


@compiled
def heights_in_ring(xyz_m: np.ndarray, nearest_m: float, farthest_m: float) -> np.ndarray:
    """(K,) float32 finite z of the points whose horizontal range is nearest_m..farthest_m."""
    z_m = np.empty(len(xyz_m), np.float32)
    found = 0
    for i in range(len(xyz_m)):
        x, y = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1])  # 1e38 squared is finite here
        range_squared = x * x + y * y
        in_ring = (range_squared >= nearest_m * nearest_m) & (range_squared <= farthest_m * farthest_m)
        z_m[found] = xyz_m[i, 2]
        found += 1 if in_ring and math.isfinite(xyz_m[i, 2]) else 0
    return z_m[:found]
