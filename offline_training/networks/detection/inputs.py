"""Scans to the inputs of a detector: mean points of voxels, tables of the convolutions, and which row stands where in the map."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.detector_arrays import DetectorArrays, DetectorVoxels
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.voxels.strided_conv import Triple
from offline_training.networks.base.point_backbone import Scan
from offline_training.networks.voxelnet.conv_tables import ConvTables


@dataclass(frozen=True)
class DetectorInputs:
    """One batch of S scans for a sparse encoder and a map of D x H x W cells (z, y, x) behind it."""

    features: Tensor  # (V, C) float32 mean x, y, z in metres, intensity and whatever else of each voxel
    tables: ConvTables
    map_index: Tensor  # (S, D, H, W) int64 row of the encoder's output in each cell of the map; as many as rows = empty

    def to(self, device: torch.device | str) -> "DetectorInputs":
        """The same inputs on another device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True)
class DetectorPreparer:
    """Voxelises scans as OpenPCDet's detectors see them; a frozen, picklable callable.

    A scan is xyz_m (N, 3), intensity (N,) and, with `with_time`, the seconds since its point was measured (N,).
    Raises BadConfig for a grid over which the encoder has no whole map.
    """

    grid: VoxelGrid
    most_points: int  # of a voxel that its mean counts: 5 for KITTI, 10 for nuScenes
    most_voxels: int  # of a scan: KITTI 16000 in training and 40000 after, nuScenes 60000
    intensity_scale: float = 1.0  # 255: as nuScenes stores it; 1: as KITTI stores it
    with_time: bool = False
    form: str = "auto"  # of the convolutions: one of sparse.maps.FORMS

    def __post_init__(self) -> None:
        _ = self.voxels

    @property
    def voxels(self) -> DetectorVoxels:
        """How points become voxels: what a robot must do alike."""
        return DetectorVoxels(self.grid, self.most_points, self.most_voxels)

    def __call__(self, scans: Sequence[Scan]) -> DetectorInputs:
        """Join the voxels of all scans. Raises ValueError for a scan without the columns that are asked for."""
        return self.inputs_of(self.voxels.arrays([self._points(*scan) for scan in scans]))

    def inputs_of(self, arrays: DetectorArrays) -> DetectorInputs:
        """The core's arrays as tensors."""
        return DetectorInputs(
            features=torch.from_numpy(arrays.features),
            tables=ConvTables.of(arrays.tables, self.form),
            map_index=torch.from_numpy(arrays.map_index.astype(np.int64)),
        )

    def _points(self, xyz_m: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(columns) < 1 + self.with_time:
            raise ValueError(f"scan: expected xyz_m, intensity{', time_s' * self.with_time}, found {len(columns) + 1}")
        return xyz_m, np.column_stack([columns[0] * self.intensity_scale, *columns[1 : 1 + self.with_time]])


def detector_map_shape(grid: VoxelGrid) -> Triple:
    """Cells of a detector's map along x, y, z."""
    return DetectorVoxels(grid, 1, 1).map_shape
