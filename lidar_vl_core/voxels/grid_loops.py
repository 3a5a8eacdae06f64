"""Compiled loops over the points of a scan, for voxelise() and voxel_features().

A sort key holds the cell above, the point's index below. One file, because numba's cache does not see that a function
of another file has changed.
"""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

SUMS = 5  # columns of add_points(): points, intensity, and the three coordinates along the grid's axes
_DIGIT_BITS = 15  # 32,768 counters of 4 bytes stay in the second-level cache; the cells of most grids are two digits


@compiled
def on_cylinder(
    x: np.float64, y: np.float64, z: np.float64, range_min: np.ndarray, range_max: np.ndarray, full_turn: bool
) -> tuple[np.float64, np.float64, np.float64]:
    """A point along the axes of a cylindrical grid: (rho, phi, z), metres and radians, phi a full turn on where it fits then.

    Loops ask for the grid's kind themselves and call this for cylinders alone: a call with arrays costs more than the rest.
    """
    phi = math.atan2(y, x)
    if phi < range_min[1]:
        phi += 2 * math.pi
    if phi >= range_max[1]:
        phi -= 2 * math.pi
    if full_turn and phi < range_min[1]:  # a circle written as -3.141..3.141 has a gap that no point may fall into
        phi = range_min[1]
    return np.float64(math.sqrt(x * x + y * y)), np.float64(phi), z


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
    """(K,) int64 keys of the points inside, in point order; point_to_voxel becomes -1."""
    keys = np.empty(len(xyz_m), np.int64)
    low_x, low_y, low_z = range_min[0], range_min[1], range_min[2]
    high_x, high_y, high_z = range_max[0], range_max[1], range_max[2]
    per_x, per_y, per_z = cells_per_unit[0], cells_per_unit[1], cells_per_unit[2]
    last_x, last_y, last_z = last_cell[0], last_cell[1], last_cell[2]
    shift_x, shift_y, shift_z = shifts[0], shifts[1], shifts[2]
    found = 0
    for i in range(len(xyz_m)):
        a, b, c = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        if cylindrical:
            a, b, c = on_cylinder(a, b, c, range_min, range_max, full_turn)
        # False for NaN; only numbers in range reach the conversion to int, so nothing can wrap.
        inside = (a >= low_x) & (a < high_x) & (b >= low_y) & (b < high_y) & (c >= low_z) & (c < high_z)
        cell_x = min(np.int64(((a if inside else low_x) - low_x) * per_x), last_x)
        cell_y = min(np.int64(((b if inside else low_y) - low_y) * per_y), last_y)
        cell_z = min(np.int64(((c if inside else low_z) - low_z) * per_z), last_z)
        keys[found] = (cell_x << shift_x) | (cell_y << shift_y) | (cell_z << shift_z) | i
        found += inside  # else the next point takes its place: nothing to mispredict
        point_to_voxel[i] = -1
    return keys[:found]


@compiled
def sort_keys(keys: np.ndarray, index_bits: int, key_bits: int) -> np.ndarray:
    """Keys sorted by their cell; points of one cell keep their order. Overwrites `keys`. (Radix sort, lowest digit first.)"""
    passes = (key_bits + _DIGIT_BITS - 1) // _DIGIT_BITS
    digit_bits = (key_bits + passes - 1) // passes
    mask = np.uint64((1 << digit_bits) - 1)
    start = np.empty(1 << digit_bits, np.uint32)
    source = keys.view(np.uint64)  # an index that may be negative costs numba a comparison at each access
    target = np.empty_like(source)
    for digit in range(passes):
        shift = np.uint64(index_bits + digit * digit_bits)
        start[:] = 0
        for i in range(len(source)):
            start[(source[i] >> shift) & mask] += np.uint32(1)
        total = np.uint32(0)
        for value in range(len(start)):
            count = start[value]
            start[value] = total
            total += count
        for i in range(len(source)):
            key = source[i]
            value = (key >> shift) & mask
            target[start[value]] = key
            start[value] += np.uint32(1)
        source, target = target, source
    return source.view(np.int64)


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
        if cylindrical:
            x, y, z = on_cylinder(x, y, z, range_min, range_max, full_turn)
        sums[voxel, 0] += 1.0
        sums[voxel, 1] += intensity[i] if math.isfinite(intensity[i]) else 0.0
        sums[voxel, 2] += x
        sums[voxel, 3] += y
        sums[voxel, 4] += z


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
