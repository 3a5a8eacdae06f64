"""Two views of one place: the training data of PointContrast and DepthContrast.

PointContrast pairs overlapping sweeps, matched by distance if poses are known, so that moving objects drop out.
Otherwise, and for DepthContrast, the views are two crops of one sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.networks.base.point_backbone import BackboneInputs, Preparer

_CROP_SHARE = (0.5, 1.0)  # side of the kept cuboid, as a share of the cloud's extent
_PATCH_SHARE = 0.2  # side of the dropped cuboid
_SCALE = (0.95, 1.05)
_SAME_PLACE_M = 0.2  # largest distance between matching points
_TRIED_POINTS = 20000  # points of a sweep for which a match is searched: several times the 4096 matches used


@dataclass(frozen=True, eq=False)
class CloudView:
    """One view; points of two views with the same point_index are the same place."""

    xyz_m: np.ndarray  # (N, 3) float32
    intensity: np.ndarray  # (N,) float32, 0..1
    point_index: np.ndarray  # (N,) int64, each once


@dataclass(frozen=True)
class TwoViewBatch:
    """First and second views of several sweeps, concatenated."""

    inputs: BackboneInputs
    other: BackboneInputs
    match: Tensor  # (M, 2) int64 rows of the network's two outputs that hold the same point

    def numbers(self) -> dict[str, float]:
        """Size of the batch, for the log."""
        return {"rows": self.inputs.row_count + self.other.row_count, "matches": len(self.match)}

    def of_scans(self, chosen: Tensor) -> "TwoViewBatch":
        """Only the matches of some scans; chosen: (B,) bool."""
        scan = self.inputs.scans_of_rows()[self.match[:, 0]]
        return replace(self, match=self.match[chosen.to(scan.device)[scan]])

    def to(self, device: torch.device | str) -> "TwoViewBatch":
        """The batch on another device."""
        return replace(self, inputs=self.inputs.to(device), other=self.other.to(device), match=self.match.to(device))


def cloud_view(
    xyz_m: np.ndarray, intensity: np.ndarray, rng: np.random.Generator, sensor_height_m: float = 0.0
) -> CloudView:
    """A random crop without a random patch, mirrored, rotated about z and scaled about the sensor, at this height.

    xyz_m: (N, 3); intensity: (N,).
    """
    kept = np.flatnonzero(_in_crop(xyz_m, rng) & ~_in_patch(xyz_m, rng))
    factor = np.float32(rng.uniform(*_SCALE))
    xyz_m = factor * _turned(xyz_m[kept], rng)
    if sensor_height_m:
        xyz_m[:, 2] += (1 - factor) * np.float32(sensor_height_m)
    return CloudView(xyz_m, intensity[kept], kept)


def overlapping_views(
    xyz_m: np.ndarray,
    intensity: np.ndarray,
    other_xyz_m: np.ndarray,
    other_intensity: np.ndarray,
    T_here_there: RigidTransform,
    rng: np.random.Generator,
) -> tuple[CloudView, CloudView]:
    """Two sweeps (N, 3) and (M, 3) of one place, metres, each mirrored and rotated about z.

    T_here_there transforms the second into the frame of the first. Points match if each is the other's nearest and they
    are within 0.2 m.
    """
    here, there = _mutual_nearest(xyz_m, T_here_there.apply(other_xyz_m), rng)
    other_index = len(xyz_m) + np.arange(len(other_xyz_m))  # an index of its own, unless matched
    other_index[there] = here
    return (
        CloudView(_turned(xyz_m, rng), intensity, np.arange(len(xyz_m))),
        CloudView(_turned(other_xyz_m, rng), other_intensity, other_index),
    )


def collate_two_views(scans: Sequence[tuple[CloudView, CloudView]], preparer: Preparer) -> TwoViewBatch:
    """Join the views; a point that both views hold is a match of their rows, each pair of rows once."""
    inputs = [preparer([(scan[side].xyz_m, scan[side].intensity) for scan in scans]) for side in (0, 1)]
    row_of_point = [one.row_of_point.numpy() for one in inputs]
    first_point = np.array([np.cumsum([0] + [len(scan[side].xyz_m) for scan in scans]) for side in (0, 1)])
    matches = [np.empty((0, 2), np.int64)]
    for number, (one, other) in enumerate(scans):
        _, i, j = np.intersect1d(one.point_index, other.point_index, assume_unique=True, return_indices=True)
        rows = [row_of_point[side][first_point[side, number] + place] for side, place in enumerate((i, j))]
        matches.append(np.column_stack(rows))
    match = np.concatenate(matches)
    match = np.unique(match[(match >= 0).all(axis=1)], axis=0)
    return TwoViewBatch(inputs[0], inputs[1], torch.from_numpy(match))


def _turned(xyz_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) float32: x and y mirrored or not, then rotated about z."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    flip = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    linear = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) * np.array([*flip, 1.0])
    return (xyz_m @ linear.T).astype(np.float32)


def _mutual_nearest(xyz_m: np.ndarray, other_m: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows (Q,) of both whose points are mutual nearest neighbours, at most _SAME_PLACE_M apart; for a subset of the points."""
    from scipy.spatial import cKDTree

    if len(xyz_m) == 0 or len(other_m) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    tried = rng.permutation(len(xyz_m))[:_TRIED_POINTS]
    distance_m, nearest = cKDTree(other_m).query(xyz_m[tried], distance_upper_bound=_SAME_PLACE_M)
    near = np.isfinite(distance_m)
    here, there = tried[near], nearest[near]
    mutual = cKDTree(xyz_m).query(other_m[there])[1] == here
    return here[mutual], there[mutual]


def _in_crop(xyz_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) bool: within a cuboid around a random point."""
    return _in_cuboid(xyz_m, rng.uniform(*_CROP_SHARE, 3), rng)


def _in_patch(xyz_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _in_cuboid(xyz_m, np.full(3, _PATCH_SHARE), rng)


def _in_cuboid(xyz_m: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) bool: within `share` of the cloud's extent around a random point."""
    if len(xyz_m) == 0:
        return np.zeros(0, bool)
    center_m = xyz_m[rng.integers(len(xyz_m))]
    return (np.abs(xyz_m - center_m) < share * np.ptp(xyz_m, axis=0) / 2).all(axis=1)
