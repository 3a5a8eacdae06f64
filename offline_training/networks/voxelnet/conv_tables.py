"""The convolutions of VoxelNet's encoder as tables of torch: the core's, in the form in which to compute them."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from lidar_vl_core.voxels.encoder_tables import EncoderTables
from offline_training.networks.sparse.maps import NeighbourTable

_SUBMANIFOLD_CENTRE = 13  # offset (0, 0, 0) of the 27


@dataclass(frozen=True)
class ConvTables:
    """Who feeds whom in each convolution of VoxelNet, and the form in which to compute it."""

    subm: tuple[NeighbourTable, ...]  # level l: (V_l, 27)
    strided: tuple[
        NeighbourTable, ...
    ]  # level l: (V_{l+1}, K) rows of level l; after the last level come the map's cells
    form: str = "auto"  # of the submanifold convolutions: one of maps.FORMS

    @staticmethod
    def of(tables: EncoderTables, form: str = "auto") -> "ConvTables":
        """The core's tables as tensors."""
        counts = tables.counts
        return ConvTables(
            tuple(_table(index, count, _SUBMANIFOLD_CENTRE) for index, count in zip(tables.subm, counts, strict=False)),
            tuple(_table(index, count, None) for index, count in zip(tables.strided, counts, strict=False)),
            form,
        )

    def to(self, device: torch.device | str) -> "ConvTables":
        """The tables on another device."""
        return replace(
            self,
            subm=tuple(table.to(device) for table in self.subm),
            strided=tuple(table.to(device) for table in self.strided),
        )


def _table(index: np.ndarray, count_in: int, centre: int | None) -> NeighbourTable:
    return NeighbourTable(torch.from_numpy(index.astype(np.int64)), count_in, centre)
