"""Places whose occupancy follows from the beams of a sweep: free before a return, occupied just behind it.

Sampled as in ALSO (Boulch et al., CVPR 2023, section 3.1); space further behind a return is unknown and not sampled.
"""

import numpy as np

BEHIND_M = 0.1  # depth behind a return that counts as occupied; from ALSO
CELL_M = 1.0  # a place is queried from one point in the same cell; ALSO queries from all points within a radius of 1 m
_KEY_BITS = 21  # per axis: cells of 1 m up to a million metres away


def ray_queries(
    xyz_m: np.ndarray, count: int, rng: np.random.Generator, sensor_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A third of the places up to 0.1 m behind returns, a third up to 0.1 m before them, a third anywhere along the beams.

    xyz_m: (N, 3) returns; sensor_m: origin of their beams. Returns places (Q, 3) float32, metres, with Q = count, or 0
    without beams; their occupancy (Q,) bool; and the return (Q,) int64 of each place's beam.
    """
    origin_m = np.asarray(sensor_m, np.float32)
    way_m = xyz_m - origin_m
    range_m = np.linalg.norm(way_m, axis=1)
    usable = np.flatnonzero(range_m > 1e-3)
    if len(usable) == 0:
        return np.empty((0, 3), np.float32), np.empty(0, bool), np.empty(0, np.int64)
    of_return = usable[rng.integers(len(usable), size=count)]
    kind, share = np.arange(count) % 3, rng.random(count)
    step = BEHIND_M / range_m[of_return]
    part = np.choose(
        kind, [1.0 + share * step, np.maximum(1.0 - (1.0 - share) * step, 0.0), share]
    )  # share of the beam
    place_m = origin_m + part[:, None] * way_m[of_return]
    return place_m.astype(np.float32), kind == 0, of_return


def asked_points(place_m: np.ndarray, xyz_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(Q,) int64: for each place (Q, 3) one of the points (N, 3) in its cell of a randomly placed grid, -1 if there is none."""
    corner_m = rng.random(3) * CELL_M
    key = _cell_key(xyz_m, corner_m)
    order = np.argsort(key, kind="stable")
    found = _cell_key(place_m, corner_m)
    first = np.searchsorted(key[order], found, side="left")
    count = np.searchsorted(key[order], found, side="right") - first
    chosen = first + (rng.random(len(place_m)) * count).astype(np.int64)
    return np.where(count > 0, order[np.minimum(chosen, len(order) - 1)], -1) if len(order) else np.full(len(found), -1)


def _cell_key(xyz_m: np.ndarray, corner_m: np.ndarray) -> np.ndarray:
    """(N,) int64 key, equal for points in one cell."""
    cell = np.floor((xyz_m - corner_m) / CELL_M).astype(np.int64) + (1 << (_KEY_BITS - 1))
    return (cell[:, 0] << (2 * _KEY_BITS)) | (cell[:, 1] << _KEY_BITS) | cell[:, 2]
