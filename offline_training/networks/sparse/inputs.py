"""Scans to the inputs of a sparse U-Net: voxel features and kernel maps, with the core's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from offline_training.networks.base.point_backbone import BackboneInputs, Scan
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.on_device.voxels import device_features, voxelise_scans


@dataclass(frozen=True)
class SparseInputs(BackboneInputs):
    """Rows are voxels, sorted by scan; the voxels of different scans are never neighbours."""

    features: Tensor  # (R, C) float32
    maps: SparseMaps

    @classmethod
    def of_voxels(cls, features: Tensor, maps: SparseMaps) -> "SparseInputs":
        """Voxels with features (M, C) that stand for themselves: one point each."""
        return cls(torch.arange(len(features)), len(features), (len(features),), features, maps)


@dataclass(frozen=True)
class SparsePreparer:
    """Voxelises scans in one grid; features: names of lidar_vl_core.voxels.features.

    Scans as tensors are voxelised where they lie, scans as arrays by the core.
    """

    grid: VoxelGrid
    features: tuple[str, ...]
    form: str = "auto"  # of the convolutions: one of maps.FORMS
    tables_later: bool = False  # built when a convolution reads them, which then has them on its own device

    def __call__(self, scans: Sequence[Scan] | Sequence[tuple[Tensor, ...]]) -> SparseInputs:
        """Join the voxels of all scans."""
        if isinstance(scans[0][0], Tensor):
            inputs = self._of_tensors(cast(Sequence[tuple[Tensor, ...]], scans))
        else:
            inputs = self._of_arrays(cast(Sequence[Scan], scans))
        if not self.tables_later:
            _ = inputs.maps.tables
        return inputs

    def _of_arrays(self, scans: Sequence[Scan]) -> SparseInputs:
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
        return SparseInputs(
            row_of_point=torch.from_numpy(np.concatenate(row_of_point)),
            row_count=len(coords),
            points_per_scan=tuple(len(xyz_m) for xyz_m, *_ in scans),
            features=torch.from_numpy(np.concatenate(feature_rows)),
            maps=SparseMaps.of_coords(coords, batch_index, form=self.form),
        )

    def _of_tensors(self, scans: Sequence[tuple[Tensor, ...]]) -> SparseInputs:
        xyz_m, intensity, *rgb = (torch.cat(parts) for parts in zip(*scans, strict=True))
        points = tuple(len(scan[0]) for scan in scans)
        found = voxelise_scans(xyz_m, points, self.grid)
        colours = rgb[0] if rgb else None
        return SparseInputs(
            row_of_point=found.row_of_point,
            row_count=len(found.voxels),
            points_per_scan=points,
            features=device_features(xyz_m, intensity, colours, found, points, self.grid, self.features),
            maps=SparseMaps(found.voxels, form=self.form),
        )
