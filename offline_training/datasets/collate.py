"""Scans to one batch of voxels: features, kernel maps and labels, with the core's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.features import voxel_features
from lidar_vl_core.kernel_maps import build_kernel_maps
from lidar_vl_core.labels import IGNORE_ID
from lidar_vl_core.voxels import VoxelGrid, Voxels, voxelise
from offline_training.datasets.augment import LabelledScan
from offline_training.networks.sparse import SparseMaps


@dataclass(frozen=True)
class Batch:
    """Several scans, one behind the other: voxels by scan, points by scan."""

    features: Tensor  # (M, C) float32
    maps: SparseMaps
    voxel_class: Tensor  # (M,) int64, 255 = ignore
    point_to_voxel: Tensor  # (P,) int64 row of features, -1 = point out of range
    point_class: Tensor  # (P,) int64, 255 = ignore
    points_per_scan: tuple[int, ...]

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return replace(
            self,
            features=self.features.to(device),
            maps=self.maps.to(device),
            voxel_class=self.voxel_class.to(device),
            point_to_voxel=self.point_to_voxel.to(device),
            point_class=self.point_class.to(device),
        )


def collate(
    scans: Sequence[LabelledScan], grid: VoxelGrid, features: Sequence[str], num_classes: int, form: str = "auto"
) -> Batch:
    """Voxelise scans and join them; the voxels of different scans are never neighbours.

    features: names of lidar_vl_core.features. A voxel takes the class that most of its points have.
    """
    voxels = [voxelise(scan.xyz_m, grid) for scan in scans]
    first_voxel = np.cumsum([0] + [len(one.coords) for one in voxels])
    batch_index = np.repeat(np.arange(len(scans), dtype=np.int32), np.diff(first_voxel))
    coords = np.concatenate([one.coords for one in voxels])
    point_to_voxel = [
        np.where(one.point_to_voxel < 0, -1, one.point_to_voxel.astype(np.int64) + first)
        for one, first in zip(voxels, first_voxel[:-1], strict=True)
    ]
    feature_rows = [
        voxel_features(scan.xyz_m, scan.intensity, one, grid, features) for scan, one in zip(scans, voxels, strict=True)
    ]
    classes = [voxel_class(scan.class_id, one, num_classes) for scan, one in zip(scans, voxels, strict=True)]
    return Batch(
        features=torch.from_numpy(np.concatenate(feature_rows)),
        maps=SparseMaps.from_kernel_maps(build_kernel_maps(coords, batch=batch_index), form),
        voxel_class=torch.from_numpy(np.concatenate(classes).astype(np.int64)),
        point_to_voxel=torch.from_numpy(np.concatenate(point_to_voxel)),
        point_class=torch.from_numpy(np.concatenate([scan.class_id for scan in scans]).astype(np.int64)),
        points_per_scan=tuple(len(scan) for scan in scans),
    )


def voxel_class(class_id: np.ndarray, voxels: Voxels, num_classes: int) -> np.ndarray:
    """(M,) uint8 class that most labelled points of a voxel have, the lower id in a draw, 255 where none has one."""
    counted = (voxels.point_to_voxel >= 0) & (class_id != IGNORE_ID)
    cell = voxels.point_to_voxel[counted].astype(np.int64) * num_classes + class_id[counted]
    votes = np.bincount(cell, minlength=len(voxels.coords) * num_classes).reshape(-1, num_classes)
    winner = votes.argmax(axis=1).astype(np.uint8)
    winner[votes.max(axis=1, initial=0) == 0] = IGNORE_ID
    return winner
