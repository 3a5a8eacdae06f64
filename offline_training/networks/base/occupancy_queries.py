"""OccupancyQueries: places near points of a batch, and whether something is there; of a pre-training that asks for it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OccupancyQueries:
    """Q places, each asked of one point that lies near it."""

    row: Tensor  # (Q,) int64 row of the network's output that the asked point reads
    offset_m: Tensor  # (Q, 3) float32 the place less the asked point
    is_occupied: Tensor  # (Q,) bool

    def to(self, device: torch.device | str) -> "OccupancyQueries":
        """The same queries on another device."""
        return OccupancyQueries(self.row.to(device), self.offset_m.to(device), self.is_occupied.to(device))
