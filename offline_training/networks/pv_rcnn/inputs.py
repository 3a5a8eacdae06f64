"""Scans to the inputs of PV-RCNN: those of any detector, and keypoints with what lies around them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.encoder_tables import EncoderTables
from offline_training.networks.base.point_backbone import Scan
from offline_training.networks.detection.inputs import DetectorInputs, DetectorPreparer
from offline_training.networks.pv_rcnn.neighbours import PointGroups, farthest_points

LEVELS = 4  # of the encoder that keypoints look at


@dataclass(frozen=True)
class KeypointSurroundings:
    """Keypoints of S scans, K each, and the points and voxels that they look at."""

    keypoint_m: Tensor  # (S, K, 3) float32; zeros for a scan without points
    points: PointGroups
    values: Tensor  # (P, C) float32 intensity and whatever else of the points
    levels: tuple[PointGroups, ...]  # centres of the active voxels of the encoder's levels

    def to(self, device: torch.device | str) -> "KeypointSurroundings":
        """The same on another device."""
        levels = tuple(level.to(device) for level in self.levels)
        return KeypointSurroundings(self.keypoint_m.to(device), self.points.to(device), self.values.to(device), levels)


@dataclass(frozen=True)
class PvRcnnInputs(DetectorInputs):
    """What a detector reads, and the surroundings of its keypoints."""

    surroundings: KeypointSurroundings


@dataclass(frozen=True)
class PvRcnnPreparer(DetectorPreparer):
    """Also draws keypoints, among the points over the range, below and above it included, as OpenPCDet does."""

    keypoints: int = 2048  # of a scan

    def __call__(self, scans: Sequence[Scan]) -> PvRcnnInputs:
        """Join the voxels, points and keypoints of all scans."""
        clouds = [self._points(*scan) for scan in scans]
        arrays = self.voxels.arrays(clouds)
        over = [self._over_range(xyz_m) for xyz_m, _ in clouds]
        xyz_m = [points[rows] for (points, _), rows in zip(clouds, over, strict=True)]
        values = [beside[rows] for (_, beside), rows in zip(clouds, over, strict=True)]
        surroundings = KeypointSurroundings(
            torch.from_numpy(np.stack([self._keypoints(points) for points in xyz_m])),
            PointGroups(torch.from_numpy(np.concatenate(xyz_m)), tuple(len(points) for points in xyz_m)),
            torch.from_numpy(np.nan_to_num(np.concatenate(values), posinf=0.0, neginf=0.0).astype(np.float32)),
            self._level_centres(arrays.tables, len(scans)),
        )
        base = self.inputs_of(arrays)
        return PvRcnnInputs(base.features, base.tables, base.map_index, surroundings)

    def _over_range(self, xyz_m: np.ndarray) -> np.ndarray:
        low, high = (np.array(corner[:2], np.float32) for corner in (self.grid.range_min, self.grid.range_max))
        inside = (xyz_m[:, :2] >= low) & (xyz_m[:, :2] <= high)
        return inside.all(axis=1) & np.isfinite(xyz_m[:, 2])

    def _keypoints(self, xyz_m: np.ndarray) -> np.ndarray:
        if not len(xyz_m):
            return np.zeros((self.keypoints, 3), np.float32)
        return xyz_m[farthest_points(xyz_m, self.keypoints)]

    def _level_centres(self, tables: EncoderTables, scans: int) -> tuple[PointGroups, ...]:
        levels = []
        for level, cells in enumerate(tables.cells[:LEVELS]):
            size_m = np.array(self.grid.voxel_size) * 2**level
            centre_m = (cells[:, 1:] + 0.5) * size_m + self.grid.range_min
            counts = np.bincount(cells[:, 0], minlength=scans).tolist()
            levels.append(PointGroups(torch.from_numpy(centre_m.astype(np.float32)), tuple(counts)))
        return tuple(levels)
