"""Sums over the rows of each cell as a tree of gather tables, so that a network file needs no addition at indices.

Each level adds up lines of a fixed number of rows of the level below. Only cells with more than one row left have lines.
Every level ends with a zero, which fills up incomplete lines and stands for empty cells.
"""

from dataclasses import dataclass

import numpy as np

# Rows in a line, level by level; the last one has all that are left of a cell. Most cells hold a few points and some hold
# thousands: with these widths the levels gather about twice as many rows as there are.
WIDTHS = (8, 16, None)


@dataclass(frozen=True)
class CellSums:
    """How R rows become the means of H x W cells, and which cell each row reads."""

    share: np.ndarray  # (R, 1) float32, 1 / rows of the same cell
    lines: tuple[np.ndarray, ...]  # of each level, (L, K) int32 rows of the level below; below the first are the R rows
    cells: np.ndarray  # (1, H, W) int32, which row of all levels, one behind the other, is the sum of each cell
    cell_of_row: np.ndarray  # (R,) int32, counted line by line of the grid


def cell_sums(cell: np.ndarray, shape: tuple[int, int]) -> CellSums:
    """The tree of one plane; cell: (R,) cell of each row in a grid of that shape, counted line by line of the grid."""
    order = np.argsort(cell, kind="stable")
    cell_left, row_left = cell[order], order  # what is to be added up: row_left of this level, cell by cell
    zero, before = len(cell), 0  # the last row of this level; rows of all levels below it
    sum_of_cell = np.full(shape[0] * shape[1], zero)
    lines = []
    for width in WIDTHS:
        alone = np.bincount(cell_left)[cell_left] == 1
        sum_of_cell[cell_left[alone]] = before + row_left[alone]
        cell_left, row_left = cell_left[~alone], row_left[~alone]
        number = np.arange(len(cell_left)) - np.searchsorted(cell_left, cell_left)  # of the row in its cell
        width = width or int(number.max(initial=0)) + 1
        begins = number % width == 0  # a line
        level = np.full((np.count_nonzero(begins) + 1, width), zero, np.int32)
        level[np.cumsum(begins) - 1, number % width] = row_left
        lines.append(level)
        before, zero = before + zero + 1, len(level) - 1
        cell_left, row_left = cell_left[begins], np.arange(zero)
    sum_of_cell[cell_left] = before + row_left
    share = (1 / np.bincount(cell)[cell]).astype(np.float32)[:, None]
    return CellSums(share, tuple(lines), sum_of_cell.reshape(1, *shape).astype(np.int32), cell.astype(np.int32))
