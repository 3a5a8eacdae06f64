"""Scans to the inputs of WaffleIron: the rows of all scans, one behind the other."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.flat_grids import FlatGrids
from offline_training.networks.base.point_backbone import BackboneInputs, Scan


@dataclass(frozen=True)
class WaffleInputs(BackboneInputs):
    """Rows are kept points, sorted by scan; cells and neighbours of different scans are never shared."""

    features: Tensor  # (R, 5) float32, flat_grids.FEATURES in metres and 0..1
    neighbours: Tensor  # (R, 16) int64 rows
    cells: Tensor  # (3, R) int64 cell of every row in the grids of all scans, one line per plane
    scan_of_row: Tensor  # (R,) int64
    grid_shapes: tuple[tuple[int, int], ...]  # cells per axis of each plane
    seed: int  # of the network's draws: equal for equal scans, so that a resumed training is exactly the same

    @property
    def scan_count(self) -> int:
        """Number of scans B."""
        return len(self.points_per_scan)


@dataclass(frozen=True)
class WafflePreparer:
    """Turns scans into rows as the robot does."""

    grids: FlatGrids

    def __call__(self, scans: Sequence[Scan]) -> WaffleInputs:
        """Join the rows of all scans."""
        prepared = [self.grids.rows(xyz_m, intensity) for xyz_m, intensity, *_ in scans]
        counts = [len(rows.features) for rows in prepared]
        first_row = np.cumsum([0, *counts])
        joined_rows, joined_neighbours, joined_cells = [], [], []
        cells_per_scan = np.array([height * width for height, width in self.grids.shapes])[:, None]
        for scan, rows in enumerate(prepared):
            joined_rows.append(np.where(rows.row_of_point < 0, -1, rows.row_of_point + first_row[scan]))
            joined_neighbours.append(rows.neighbours + first_row[scan])
            joined_cells.append(rows.cells + scan * cells_per_scan)
        features = np.concatenate([rows.features for rows in prepared])
        return WaffleInputs(
            row_of_point=torch.from_numpy(np.concatenate(joined_rows)),
            row_count=int(first_row[-1]),
            points_per_scan=tuple(len(xyz_m) for xyz_m, *_ in scans),
            features=torch.from_numpy(features),
            neighbours=torch.from_numpy(np.concatenate(joined_neighbours)),
            cells=torch.from_numpy(np.concatenate(joined_cells, axis=1)),
            scan_of_row=torch.from_numpy(np.repeat(np.arange(len(scans)), counts)),
            grid_shapes=self.grids.shapes,
            seed=zlib.crc32(features.tobytes()),
        )
