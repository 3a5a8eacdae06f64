"""Compiled loops over points: packing, radix sort and unique for voxelise(), sums for features. A key holds the cell above, the point's index below."""

import math

import numpy as np
from numba import njit

_DIGIT_BITS = 11  # a histogram of 2048 counters stays in the first-level cache


@njit(cache=True, nogil=True)
def on_axes(
    x: float, y: float, z: float, range_min: np.ndarray, range_max: np.ndarray, cylindrical: bool, full_turn: bool
) -> tuple[float, float, float]:
    """A point along the grid's axes: (x, y, z) or (rho, phi, z), phi turned into the range where a full turn brings it there."""
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


@njit(cache=True, nogil=True)
def cell_keys(
    xyz_m: np.ndarray,
    range_min: np.ndarray,
    range_max: np.ndarray,
    cylindrical: bool,
    full_turn: bool,
    voxel_size: np.ndarray,
    shape: np.ndarray,
    index_bits: int,
    point_to_voxel: np.ndarray,
) -> np.ndarray:
    """(K,) int64 keys of the points inside, in point order; the others get -1 in point_to_voxel."""
    keys = np.empty(len(xyz_m), np.int64)
    inside = 0
    for i in range(len(xyz_m)):
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        a, b, c = on_axes(x, y, z, range_min, range_max, cylindrical, full_turn)
        # Comparisons are false for NaN, so nothing but a number in range reaches the conversion to int.
        if (
            a >= range_min[0]
            and a < range_max[0]
            and b >= range_min[1]
            and b < range_max[1]
            and c >= range_min[2]
            and c < range_max[2]
        ):
            cell_x = min(np.int64((a - range_min[0]) / voxel_size[0]), shape[0] - 1)
            cell_y = min(np.int64((b - range_min[1]) / voxel_size[1]), shape[1] - 1)
            cell_z = min(np.int64((c - range_min[2]) / voxel_size[2]), shape[2] - 1)
            keys[inside] = (((cell_x * shape[1] + cell_y) * shape[2] + cell_z) << index_bits) | i
            inside += 1
        else:
            point_to_voxel[i] = -1
    return keys[:inside]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def unique_voxels(keys: np.ndarray, index_bits: int, shape: np.ndarray, point_to_voxel: np.ndarray) -> np.ndarray:
    """(M, 3) int32 cells of sorted keys; fills point_to_voxel for the points inside."""
    coords = np.empty((len(keys), 3), np.int32)
    index_mask = (1 << index_bits) - 1
    voxels = 0
    previous = np.int64(-1)
    for i in range(len(keys)):
        cell = keys[i] >> index_bits
        if cell != previous:
            column = cell // shape[2]
            coords[voxels, 0] = column // shape[1]
            coords[voxels, 1] = column % shape[1]
            coords[voxels, 2] = cell % shape[2]
            voxels += 1
            previous = cell
        point_to_voxel[keys[i] & index_mask] = voxels - 1
    return coords[:voxels].copy()


@njit(cache=True, nogil=True)
def point_sums(
    xyz_m: np.ndarray,
    intensity: np.ndarray,
    point_to_voxel: np.ndarray,
    voxels: int,
    range_min: np.ndarray,
    range_max: np.ndarray,
    cylindrical: bool,
    full_turn: bool,
) -> np.ndarray:
    """(M, 7) float64 sums over each voxel's points: 1, intensity, horizontal range, z, and the three grid coordinates."""
    sums = np.zeros((voxels, 7))
    for i in range(len(xyz_m)):
        voxel = point_to_voxel[i]
        if voxel < 0:
            continue
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        a, b, c = on_axes(x, y, z, range_min, range_max, cylindrical, full_turn)
        sums[voxel, 0] += 1.0
        if math.isfinite(intensity[i]):
            sums[voxel, 1] += intensity[i]
        sums[voxel, 2] += math.sqrt(x * x + y * y)
        sums[voxel, 3] += z
        sums[voxel, 4] += a
        sums[voxel, 5] += b
        sums[voxel, 6] += c
    return sums
