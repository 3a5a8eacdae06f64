"""Compiled loops of points_in_boxes(): points are sorted into the cells of a plan, and each box looks at its own cells."""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

_CELLS = 64  # along x and y, over the region of all boxes: 32 kB of counters, cells of about 2 m in a usual scene


@compiled
def _cell(value: float, low: float, extent: float) -> int:
    """Cell of a coordinate from low on along one axis; it never falls where the coordinate rises."""
    return int(min((value - low) / extent * _CELLS, _CELLS - 1.0)) if extent > 0.0 else 0


@compiled
def _sorted_by_cell(xyz_m: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the points within low..high, cell by cell, and where each cell starts; points with NaN are left out."""
    cell_of_point = np.empty(len(xyz_m), np.int32)
    start = np.zeros(_CELLS * _CELLS + 1, np.int64)
    for i in range(len(xyz_m)):
        x, y, z = xyz_m[i, 0], xyz_m[i, 1], xyz_m[i, 2]
        cell = -1
        if low[0] <= x <= high[0] and low[1] <= y <= high[1] and low[2] <= z <= high[2]:
            cell = _cell(y, low[1], high[1] - low[1]) * _CELLS + _cell(x, low[0], high[0] - low[0])
            start[cell + 1] += 1
        cell_of_point[i] = cell
    for cell in range(_CELLS * _CELLS):
        start[cell + 1] += start[cell]
    at = start[:-1].copy()
    rows = np.empty(start[-1], np.int64)
    for i in range(len(xyz_m)):
        cell = cell_of_point[i]
        if cell >= 0:
            rows[at[cell]] = i
            at[cell] += 1
    return rows, start


@compiled
def points_of_boxes(
    xyz_m: np.ndarray, flat: np.ndarray, z: np.ndarray, low: np.ndarray, high: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the points in each box, box by box; (M + 1,) where each box starts among them.

    flat: (M, 7) as in overlap_loops.py; z: (M, 2) middle and half height; low, high: (M, 3) edges around each box, a
    little too wide; region: (2, 3) the lowest and highest of them.
    """
    inside = np.empty(len(xyz_m), np.int64)
    box_start = np.zeros(len(flat) + 1, np.int64)
    extent_x, extent_y = region[1, 0] - region[0, 0], region[1, 1] - region[0, 1]
    rows, start = _sorted_by_cell(xyz_m, region[0], region[1])
    found = 0
    for box in range(len(flat)):
        x0, y0, z0 = flat[box, 0], flat[box, 1], z[box, 0]
        half_length, half_width, half_height = flat[box, 2], flat[box, 3], z[box, 1]
        cos, sin = flat[box, 4], flat[box, 5]
        first_x = _cell(low[box, 0], region[0, 0], extent_x)
        last_x = _cell(high[box, 0], region[0, 0], extent_x)
        first_y = _cell(low[box, 1], region[0, 1], extent_y)
        last_y = _cell(high[box, 1], region[0, 1], extent_y)
        for cell_y in range(first_y, last_y + 1):
            first = start[cell_y * _CELLS + first_x]
            last = start[cell_y * _CELLS + last_x + 1]
            if found + last - first > len(inside):  # boxes that lie in each other
                larger = np.empty(2 * len(inside) + last - first, np.int64)
                larger[:found] = inside[:found]
                inside = larger
            for k in range(first, last):
                i = rows[k]
                dx = xyz_m[i, 0] - x0
                dy = xyz_m[i, 1] - y0
                dz = xyz_m[i, 2] - z0
                is_inside = (
                    (abs(dx * cos + dy * sin) <= half_length)
                    & (abs(dy * cos - dx * sin) <= half_width)
                    & (abs(dz) <= half_height)
                )
                inside[found] = i  # overwritten by the next point unless this one is inside
                found += is_inside
        box_start[box + 1] = found
    return inside[:found], box_start
