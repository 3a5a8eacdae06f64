"""Compiled loops of point_pixel_pairs(): which points a camera sees, and which of them stand behind nearer ones."""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

NO_LENS, POLYNOMIAL, EQUIDISTANT = 0, 1, 2  # POLYNOMIAL: plumb_bob and rational_polynomial


@compiled
def seen_points(
    xyz_m: np.ndarray, pose: np.ndarray, K: np.ndarray, lens: int, coefficients: np.ndarray, largest_square: float,
    least_depth_m: float, bounds: np.ndarray, floor: bool, point: np.ndarray, pixel_uv: np.ndarray, depth_m: np.ndarray,
) -> int:  # fmt: skip
    """Write number (N,) int64, pixel (N, 2) int32, rounded or floored, and depth (N,) float64 of the points that are seen; returns how many.

    pose: (3, 4) float64, of the points in the optical frame. coefficients: (8,) in CameraInfo's order. largest_square: of the
    undistorted radius. bounds: u, v above the first two and below the last two.
    """
    count = 0
    for i in range(len(xyz_m)):
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        depth = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
        if not least_depth_m < depth < np.inf:  # NaN is not either
            continue
        across = (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / depth
        down = (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / depth
        if lens != NO_LENS:
            if not across * across + down * down <= largest_square:
                continue
            across, down = _distorted(across, down, lens, coefficients)
        u = K[0, 0] * across + K[0, 1] * down + K[0, 2]
        v = K[1, 1] * down + K[1, 2]
        if bounds[0] < u < bounds[2] and bounds[1] < v < bounds[3]:
            point[count], depth_m[count] = i, depth
            if floor:
                u, v = math.floor(u), math.floor(v)
            pixel_uv[count, 0], pixel_uv[count, 1] = np.int32(np.rint(u)), np.int32(np.rint(v))
            count += 1
    return count


@compiled
def _distorted(x: float, y: float, lens: int, k: np.ndarray) -> tuple[float, float]:
    """As Distortion.distort()."""
    square = x * x + y * y
    if lens == EQUIDISTANT:
        radius = math.sqrt(square)
        angle = math.atan(radius)
        s = angle * angle
        distorted = angle * (1.0 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))))
        factor = distorted / radius if radius > 1e-12 else 1.0
        return x * factor, y * factor
    numerator = 1.0 + square * (k[0] + square * (k[1] + square * k[4]))
    factor = numerator / (1.0 + square * (k[5] + square * (k[6] + square * k[7])))
    p1, p2 = k[2], k[3]
    return (
        x * factor + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x),
        y * factor + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y,
    )


@compiled
def not_behind(
    pixel_uv: np.ndarray, depth_m: np.ndarray, cell_px: int, columns: int, rows: int, relative_margin: float,
    grazing: float,
) -> np.ndarray:  # fmt: skip
    """(P,) bool as ZBuffer says; columns, rows: cells of the image. grazing: 1/m that inverse depths of a surface may differ."""
    nearest_m = np.full((rows + 2, columns + 2), np.inf)  # one empty cell around the image spares the edge cases
    for i in range(len(depth_m)):
        row, column = pixel_uv[i, 1] // cell_px + 1, pixel_uv[i, 0] // cell_px + 1
        nearest_m[row, column] = min(nearest_m[row, column], depth_m[i])
    around_m = np.full((rows + 2, columns + 2), np.inf)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            for r in range(row - 1, row + 2):
                for c in range(column - 1, column + 2):
                    around_m[row, column] = min(around_m[row, column], nearest_m[r, c])
    kept = np.empty(len(depth_m), np.bool_)
    for i in range(len(depth_m)):
        nearer_m = around_m[pixel_uv[i, 1] // cell_px + 1, pixel_uv[i, 0] // cell_px + 1]
        behind = depth_m[i] > nearer_m * (1.0 + relative_margin)
        kept[i] = not (behind and 1.0 / nearer_m - 1.0 / depth_m[i] > grazing)
    return kept
