"""Two views of one sweep, each cut, turned and scaled on its own: what PointContrast and DepthContrast learn from.

The originals pair overlapping scans of a scene (PointContrast) or crop one (DepthContrast); data sets give sweeps without
poses here, so both methods see two crops of one sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from offline_training.networks.point_backbone import BackboneInputs, Preparer

_CROP_SHARE = (0.5, 1.0)  # side of the kept cuboid, of the cloud's extent
_PATCH_SHARE = 0.2  # side of the dropped cuboid
_SCALE = (0.95, 1.05)


@dataclass(frozen=True, eq=False)
class CloudView:
    """One view; row i was point point_index[i] of the sweep."""

    xyz_m: np.ndarray  # (N, 3) float32
    intensity: np.ndarray  # (N,) float32, 0..1
    point_index: np.ndarray  # (N,) int64, ascending


@dataclass(frozen=True)
class TwoViewBatch:
    """First and second views of several sweeps, one behind the other."""

    inputs: BackboneInputs
    other: BackboneInputs
    match: Tensor  # (M, 2) int64 rows of the network's two outputs that hold the same point

    def to(self, device: torch.device | str) -> "TwoViewBatch":
        """The batch on another device."""
        return replace(self, inputs=self.inputs.to(device), other=self.other.to(device), match=self.match.to(device))


def cloud_view(xyz_m: np.ndarray, intensity: np.ndarray, rng: np.random.Generator) -> CloudView:
    """A random crop without a random patch, mirrored, turned about z and scaled."""
    kept = np.flatnonzero(_in_crop(xyz_m, rng) & ~_in_patch(xyz_m, rng))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    flip = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    linear = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) * np.array([*flip, 1.0])
    moved_m = (rng.uniform(*_SCALE) * xyz_m[kept] @ linear.T).astype(np.float32)
    return CloudView(moved_m, intensity[kept], kept)


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
