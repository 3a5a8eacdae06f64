"""Compiled loops behind mean_points() and strided_conv_table().

An output cell's row is its rank among the marked bits of a map of all cells, so that nothing is sorted and nothing hashed.
"""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

WORD_SHIFT = 5  # a word is an int64 that holds 32 cells: half of it, so that no sum of bits meets the sign
_IN_WORD = (1 << WORD_SHIFT) - 1


@compiled
def add_first_points(
    xyz_m: np.ndarray,
    values: np.ndarray,
    point_to_voxel: np.ndarray,
    most_points: int,
    most_voxels: int,
    sums: np.ndarray,
    points: np.ndarray,
) -> None:
    """Sum the first most_points points of each of the first most_voxels voxels, in the order of the points.

    sums: (V, 3 + C) float64 and points: (V,) int64, zeros; points ends as 0 for voxels without a place.
    """
    begun = 0
    for i in range(len(xyz_m)):
        voxel = point_to_voxel[i]
        if voxel < 0 or points[voxel] < 0 or points[voxel] == most_points:
            continue
        if points[voxel] == 0:
            if begun == most_voxels:
                points[voxel] = -1
                continue
            begun += 1
        points[voxel] += 1
        for axis in range(3):
            sums[voxel, axis] += xyz_m[i, axis]
        for column in range(values.shape[1]):
            value = values[i, column]
            sums[voxel, 3 + column] += value if math.isfinite(value) else 0.0
    for voxel in range(len(points)):
        points[voxel] = max(points[voxel], 0)


@compiled
def list_pairs(
    sites: np.ndarray,
    kernel: np.ndarray,
    stride: np.ndarray,
    padding: np.ndarray,
    cells_after: np.ndarray,
    words: np.ndarray,
    cell_of_pair: np.ndarray,
    site_of_pair: np.ndarray,
    offset_of_pair: np.ndarray,
) -> int:
    """List every output cell beside each of the sites (M, 4) that it reads, and at which offset; returns how many pairs.

    The bit of each listed cell is set in words, zeros before.
    """
    width, height, depth = cells_after[0], cells_after[1], cells_after[2]
    pairs = 0
    for i in range(len(sites)):
        x, y, z = sites[i, 1] + padding[0], sites[i, 2] + padding[1], sites[i, 3] + padding[2]
        last_x, last_y, last_z = x // stride[0], y // stride[1], z // stride[2]
        first_kx, first_ky, first_kz = x - last_x * stride[0], y - last_y * stride[1], z - last_z * stride[2]
        out_x = last_x
        for kx in range(first_kx, kernel[0], stride[0]):
            out_y = last_y
            for ky in range(first_ky, kernel[1], stride[1]):
                if 0 <= out_x < width and 0 <= out_y < height:
                    line = ((sites[i, 0] * width + out_x) * height + out_y) * depth
                    out_z = last_z
                    for kz in range(first_kz, kernel[2], stride[2]):
                        if 0 <= out_z < depth:
                            cell = line + out_z
                            words[cell >> WORD_SHIFT] |= np.int64(1) << (cell & _IN_WORD)
                            cell_of_pair[pairs] = cell
                            site_of_pair[pairs] = i
                            offset_of_pair[pairs] = (kx * kernel[1] + ky) * kernel[2] + kz
                            pairs += 1
                        out_z -= 1
                out_y -= 1
            out_x -= 1
    return pairs


@compiled
def marked_before(words: np.ndarray, before: np.ndarray) -> int:
    """Write how many bits are set in the words before each one; returns how many are set in all.

    words, before: (W,).
    """
    total = 0
    for number in range(len(words)):
        before[number] = total
        if words[number]:
            total += _bits(words[number])
    return total


@compiled
def fill_table(
    cell_of_pair: np.ndarray,
    site_of_pair: np.ndarray,
    offset_of_pair: np.ndarray,
    words: np.ndarray,
    before: np.ndarray,
    cell_of_row: np.ndarray,
    index: np.ndarray,
) -> None:
    """Write the output cell of each row (N,), and the input row that it reads at each offset; index (N, K) holds M before."""
    for pair in range(len(cell_of_pair)):
        cell = cell_of_pair[pair]
        word = cell >> WORD_SHIFT
        row = before[word] + _bits(words[word] & ((np.int64(1) << (cell & _IN_WORD)) - 1))
        cell_of_row[row] = cell
        index[row, offset_of_pair[pair]] = site_of_pair[pair]


@compiled
def _bits(word: int) -> int:
    """Bits set among the 32 lower ones."""
    word -= (word >> 1) & 0x55555555
    word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F
    return ((word * 0x01010101) & 0xFFFFFFFF) >> 24
