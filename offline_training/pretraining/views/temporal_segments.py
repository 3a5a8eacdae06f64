"""Segments that two sweeps of one place share: what Seal compares over time.

Both clouds are transformed into one frame, the ground is removed (a plane by RANSAC), and the rest is clustered. Seal
uses HDBSCAN; scikit-learn's takes 19 s for 20,000 points and grows with their square, while two sweeps have 200,000. We
use connected voxels (0.4 s), cut into tiles so that a row of houses is not one segment. Objects that move apart between
the sweeps share no cluster and drop out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.posed_source import Neighbour

_PLANE_DRAWS = 200
_PLANE_POINTS = 4000  # random points on which the candidate planes are scored
_PLANE_MARGIN_M = 0.15  # distance within which points lie on a plane
_PLANE_RANGE_M = 30.0  # the road is assumed flat up to this distance
_STEEPEST = 0.25  # largest slope of a ground plane


@dataclass(frozen=True)
class SegmentSpec:
    """Parameters of the segmentation of sweeps."""

    ground_margin_m: float = 0.25  # height above the ground plane below which points are ground
    ground_slope: float = 0.01  # growth of that height with distance, because roads are curved
    voxel_m: float = 0.4  # occupied voxels that touch, also by a corner, are one cluster
    tile_m: float = 8.0  # side of the squares into which clusters are cut
    min_points: int = 8  # points of a segment in each of the two sweeps


def paired_moments(
    sample: Sample, other: Neighbour | None, paired: Callable[[Sample], PairedScan], rng: np.random.Generator
) -> tuple[PairedScan, PairedScan]:
    """Two sweeps of one place as paired scans with shared segments; the same sweep twice if there is no other."""
    scan = paired(sample)
    if other is None:
        segment, _ = common_segments(scan.xyz_m, scan.xyz_m, RigidTransform.identity(), rng)
        return replace(scan, segment=segment), replace(scan, segment=segment)
    next_scan = paired(other.sample)
    segment, next_segment = common_segments(scan.xyz_m, next_scan.xyz_m, other.T_here_there, rng)
    return replace(scan, segment=segment), replace(next_scan, segment=next_segment)


def common_segments(
    xyz_m: np.ndarray,
    next_xyz_m: np.ndarray,
    T_here_next: RigidTransform,
    rng: np.random.Generator,
    spec: SegmentSpec = SegmentSpec(),
) -> tuple[np.ndarray, np.ndarray]:
    """Segment of each point of two sweeps (N, 3) and (M, 3), finite: (N,) and (M,) int32 ids they share, -1 = none."""
    joint_m = np.concatenate([xyz_m, T_here_next.apply(next_xyz_m)]).astype(np.float64)
    segment = np.full(len(joint_m), -1, np.int32)
    above = ~is_ground(joint_m, spec, rng)
    if above.any():
        segment[above] = _tiled_clusters(joint_m[above], spec)
    here, there = segment[: len(xyz_m)], segment[len(xyz_m) :]
    count = int(segment.max(initial=-1)) + 1
    seen = [np.bincount(part[part >= 0], minlength=count) >= spec.min_points for part in (here, there)]
    kept = seen[0] & seen[1]
    new_id = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    new_id = np.append(new_id, np.int32(-1))  # the target of index -1
    return new_id[here], new_id[there]


def is_ground(xyz_m: np.ndarray, spec: SegmentSpec, rng: np.random.Generator) -> np.ndarray:
    """(N,) bool: on or below the plane of most near points; all False if no plane is found."""
    distance_m = np.hypot(xyz_m[:, 0], xyz_m[:, 1])
    plane = _ground_plane(xyz_m[distance_m < _PLANE_RANGE_M], rng)
    if plane is None:
        return np.zeros(len(xyz_m), bool)
    height_m = xyz_m[:, 2] - (xyz_m[:, :2] @ plane[:2] + plane[2])
    return height_m < spec.ground_margin_m + spec.ground_slope * distance_m


def connected_voxels(xyz_m: np.ndarray, voxel_m: float) -> np.ndarray:
    """(N,) int32 cluster of each point: occupied voxels that touch by face, edge or corner are one cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    cell = np.floor(xyz_m / voxel_m).astype(np.int64)
    cell -= cell.min(axis=0, initial=0) - 1  # an empty border, so that steps across an edge of the box find nothing
    sides = cell.max(axis=0, initial=0) + 2
    step = np.array([sides[1] * sides[2], sides[2], 1])
    keys, voxel_of_point = np.unique(cell @ step, return_inverse=True)
    offsets = [np.array([dx, dy, dz]) @ step for dx in (-1, 0, 1) for dy in (-1, 0, 1) for dz in (-1, 0, 1)]
    edges = []
    for offset in [offset for offset in offsets if offset > 0]:
        place = np.minimum(np.searchsorted(keys, keys + offset), len(keys) - 1)
        found = np.flatnonzero(keys[place] == keys + offset)
        edges.append(np.stack([found, place[found]]))
    start, end = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(start), bool), (start, end)), (len(keys), len(keys)))
    return connected_components(graph, directed=False)[1][voxel_of_point].astype(np.int32)


def _tiled_clusters(xyz_m: np.ndarray, spec: SegmentSpec) -> np.ndarray:
    """(N,) int32: clusters, cut by a horizontal grid of squares."""
    tile = np.floor(xyz_m[:, :2] / spec.tile_m).astype(np.int64)
    tile -= tile.min(axis=0)
    sides = tile.max(axis=0) + 1
    key = (connected_voxels(xyz_m, spec.voxel_m) * sides[0] + tile[:, 0]) * sides[1] + tile[:, 1]
    return np.unique(key, return_inverse=True)[1].astype(np.int32)


def _ground_plane(xyz_m: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """(3,) a, b, c of z = a x + b y + c through most of the points (RANSAC, then least squares); None if there is none."""
    if len(xyz_m) < 3:
        return None
    judges = xyz_m[rng.integers(len(xyz_m), size=min(_PLANE_POINTS, len(xyz_m)))]
    corners = judges[rng.integers(len(judges), size=(_PLANE_DRAWS, 3))]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = np.hypot(normal[:, 0], normal[:, 1]) < _STEEPEST * np.abs(normal[:, 2])
    normal, corner = normal[flat], corners[flat, 0]
    if len(normal) == 0:
        return None
    slope = -normal[:, :2] / normal[:, 2:]
    offset_m = corner[:, 2] - (slope * corner[:, :2]).sum(axis=1)
    height_m = judges[:, 2, None] - (judges[:, :2] @ slope.T + offset_m)
    best = (np.abs(height_m) < _PLANE_MARGIN_M).sum(axis=0).argmax()
    on_plane = judges[np.abs(height_m[:, best]) < _PLANE_MARGIN_M]
    design = np.column_stack([on_plane[:, :2], np.ones(len(on_plane))])
    return np.linalg.lstsq(design, on_plane[:, 2], rcond=None)[0]
