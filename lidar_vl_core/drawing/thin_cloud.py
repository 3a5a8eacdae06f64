"""A labelled cloud thinned and rounded enough for a page to hold fifty of them."""

from dataclasses import dataclass

import numpy as np

MOST_POINTS = 20_000
_FARTHEST_CM = 32_767  # from the middle of the cloud: what 16 bits hold
_CUBES_CM = (5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 65_536)  # the last holds a whole cloud


@dataclass(frozen=True, eq=False)
class ThinCloud:
    """At most MOST_POINTS points, to a centimetre, around the middle of their cloud."""

    points: int  # of the whole cloud
    cube_cm: int  # of all points in a cube of this edge the first was kept; 0: every point is here
    middle_m: np.ndarray  # (3,) float64 that the points are told from, in those of the cloud
    xyz_cm: np.ndarray  # (M, 3) int16
    class_id: np.ndarray  # (M,) uint8
    truth: np.ndarray | None  # (M,) uint8
    confidence_percent: np.ndarray | None  # (M,) uint8

    def packed(self) -> bytes:
        """Column by column: x, y, z (int16, little-endian), class, and truth and confidence where they are known."""
        columns = [*self.xyz_cm.astype("<i2").T, self.class_id, self.truth, self.confidence_percent]
        return b"".join(np.ascontiguousarray(column).tobytes() for column in columns if column is not None)


def thin_cloud(
    xyz_m: np.ndarray, class_id: np.ndarray, truth: np.ndarray | None, probability: np.ndarray | None
) -> ThinCloud:
    """Keep the first point of each cube, the smallest cubes that leave at most MOST_POINTS.

    xyz_m: (N, 3), non-finite points and those beyond 327 m from the middle are left out. class_id, truth: (N,) ids.
    probability: (N,) 0..1.
    """
    finite = np.flatnonzero(np.isfinite(xyz_m).all(axis=1))
    positions_m = xyz_m[finite].astype(np.float64)
    middle_m = np.round(np.median(positions_m, axis=0)) if len(finite) else np.zeros(3)
    middle_m[np.abs(middle_m) < 50] = 0  # a sweep stays around its sensor
    cm = np.round(100 * (positions_m - middle_m))
    near = (np.abs(cm) <= _FARTHEST_CM).all(axis=1)
    kept, cm = finite[near], cm[near].astype(np.int64)
    chosen, cube_cm = _first_of_cubes(cm)
    kept = kept[chosen]
    percent = None if probability is None else np.round(100 * np.clip(probability[kept], 0, 1)).astype(np.uint8)
    return ThinCloud(
        points=len(xyz_m),
        cube_cm=cube_cm,
        middle_m=middle_m,
        xyz_cm=cm[chosen].astype(np.int16),
        class_id=class_id[kept].astype(np.uint8),
        truth=None if truth is None else truth[kept].astype(np.uint8),
        confidence_percent=percent,
    )


def _first_of_cubes(cm: np.ndarray) -> tuple[np.ndarray, int]:
    """Which rows are kept, in the order of their places, and the edge of the cubes."""
    if len(cm) <= MOST_POINTS:
        return np.arange(len(cm)), 0
    for cube_cm in _CUBES_CM:
        cell = (cm + _FARTHEST_CM) // cube_cm
        _, first = np.unique((cell[:, 0] << 32) | (cell[:, 1] << 16) | cell[:, 2], return_index=True)
        if len(first) <= MOST_POINTS:
            break
    return first, cube_cm
