"""Scans to the inputs of a detector: mean points of voxels, tables of the convolutions, and which row stands where in the map."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.base.point_backbone import Scan
from offline_training.networks.voxelnet.conv_tables import MAP_STRIDE, ConvTables, conv_tables, map_shape
from offline_training.networks.voxelnet.mean_points import mean_points
from offline_training.networks.voxelnet.strided_conv_tables import Triple


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
        x, y, z = self.grid.shape
        if self.grid.kind != "cartesian" or x % MAP_STRIDE or y % MAP_STRIDE or min(detector_map_shape(self.grid)) < 1:
            raise BadConfig(
                f"detector: expected a cartesian grid with cells along x and y in eights and 24 at least along z, found "
                f"{self.grid.kind}, {(x, y, z)}. Write e.g. voxel_size 0.05, 0.05, 0.1 over 70.4 x 80 x 4 m."
            )

    def __call__(self, scans: Sequence[Scan]) -> DetectorInputs:
        """Join the voxels of all scans. Raises ValueError for a scan without the columns that are asked for."""
        features, sites = [], []
        for number, (xyz_m, *columns) in enumerate(scans):
            if len(columns) < 1 + self.with_time:
                raise ValueError(
                    f"scan: expected xyz_m, intensity{', time_s' * self.with_time}, found {len(columns) + 1}"
                )
            values = np.column_stack([columns[0] * self.intensity_scale, *columns[1 : 1 + self.with_time]])
            coords, means, _ = mean_points(xyz_m, values, self.grid, self.most_points, self.most_voxels)
            features.append(means)
            sites.append(np.insert(coords, 0, number, axis=1))
        tables, cells = conv_tables(np.concatenate(sites), _with_spare_layer(self.grid.shape), self.form)
        return DetectorInputs(
            features=torch.from_numpy(np.concatenate(features)),
            tables=tables,
            map_index=torch.from_numpy(map_index(cells[-1], len(scans), detector_map_shape(self.grid))),
        )


def detector_map_shape(grid: VoxelGrid) -> Triple:
    """Cells of a detector's map along x, y, z."""
    return map_shape(_with_spare_layer(grid.shape))


def map_index(cells: np.ndarray, scans: int, shape: Triple) -> np.ndarray:
    """Which row each cell of a batch's maps takes: (S, D, H, W) int64 rows of cells, len(cells) where it is empty.

    cells: (A, 4) int64 scan, x, y, z, each once; shape: cells along x, y, z.
    """
    width, height, depth = shape
    index = np.full((scans, depth, height, width), len(cells), np.int64)
    scan, x, y, z = cells.T
    index[scan, z, y, x] = np.arange(len(cells))
    return index


def _with_spare_layer(shape: Triple) -> Triple:
    # OpenPCDet's detectors have one layer of voxels more along z than the range has, always empty: 40 + 1 fold to a
    # map of two cells of height, where pre-training folds 40 to one.
    x, y, z = shape
    return x, y, z + 1
