"""Scans to the inputs of a sparse U-Net: voxel features and kernel maps, with the core's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from offline_training.networks.base.point_backbone import BackboneInputs, Scan
from offline_training.networks.sparse.maps import SparseMaps


@dataclass(frozen=True)
class SparseInputs(BackboneInputs):
    """Rows are voxels, sorted by scan; the voxels of different scans are never neighbours."""

    features: Tensor  # (R, C) float32
    maps: SparseMaps

    @classmethod
    def of_voxels(cls, features: Tensor, maps: SparseMaps) -> "SparseInputs":
        """Voxels that stand for themselves: one point each."""
        return cls(torch.arange(len(features)), len(features), (len(features),), features, maps)


@dataclass(frozen=True)
class SparsePreparer:
    """Voxelises scans in one grid; features: names of lidar_vl_core.voxels.features."""

    grid: VoxelGrid
    features: tuple[str, ...]
    form: str = "auto"  # of the convolutions: one of maps.FORMS

    def __call__(self, scans: Sequence[Scan]) -> SparseInputs:
        """Join the voxels of all scans."""
        voxels = [voxelise(xyz_m, self.grid) for xyz_m, *_ in scans]
        first_voxel = np.cumsum([0] + [len(one.coords) for one in voxels])
        batch_index = np.repeat(np.arange(len(scans), dtype=np.int32), np.diff(first_voxel))
        row_of_point = [
            np.where(one.point_to_voxel < 0, -1, one.point_to_voxel.astype(np.int64) + first)
            for one, first in zip(voxels, first_voxel[:-1], strict=True)
        ]
        feature_rows = [
            voxel_features(xyz_m, intensity, one, self.grid, self.features, rgb=rgb[0] if rgb else None)
            for (xyz_m, intensity, *rgb), one in zip(scans, voxels, strict=True)
        ]
        coords = np.concatenate([one.coords for one in voxels])
        maps = build_kernel_maps(coords, batch=batch_index)
        return SparseInputs(
            row_of_point=torch.from_numpy(np.concatenate(row_of_point)),
            row_count=len(coords),
            points_per_scan=tuple(len(xyz_m) for xyz_m, *_ in scans),
            features=torch.from_numpy(np.concatenate(feature_rows)),
            maps=SparseMaps.from_kernel_maps(maps, self.form),
        )
