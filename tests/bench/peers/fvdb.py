"""fvdb-core 0.6: convolution plans over NanoVDB grids, whose voxels have an order of their own."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tests.bench.peers.peer import FunctionLayer, Kind, Peer, batch_size, cubic

_LEVELS = 5


@dataclass
class FvdbGeometry:
    """Plans by kind and level, and where our rows stand in the finest grid."""

    plans: dict[tuple[str, int], Any]
    row_of_ours: Tensor  # (M,) int64


class Fvdb(Peer):
    """fvdb.ConvolutionPlan."""

    name, modules = "fVDB", ("fvdb",)

    def geometry(self, voxels: Tensor) -> FvdbGeometry:
        """Grids and plans of all levels."""
        from fvdb import ConvolutionPlan, GridBatch, JaggedTensor

        scans = [voxels[voxels[:, 0] == scan, 1:].contiguous() for scan in range(batch_size(voxels))]
        grid = GridBatch.from_ijk(JaggedTensor(scans))
        rows = grid.ijk_to_index(JaggedTensor(scans), cumulative=True).jdata.long()
        plans: dict[tuple[str, int], Any] = {}
        for level in range(_LEVELS):
            plans["submanifold", level] = ConvolutionPlan.from_grid_batch(3, 1, grid, grid)
            if level + 1 < _LEVELS:
                plans["down", level] = ConvolutionPlan.from_grid_batch(2, 2, grid)
                coarse = plans["down", level].target_grid_batch
                plans["up", level] = ConvolutionPlan.from_grid_batch_transposed(2, 2, coarse, grid)
                grid = coarse
        return FvdbGeometry(plans, rows)

    def layer(self, kind: Kind, weight: Tensor) -> nn.Module:
        """Weights are (C_out, C_in, x, y, z) there."""
        return FunctionLayer(cubic(weight).permute(4, 3, 0, 1, 2), _of_kind(kind))

    def enter(self, x: Tensor, geometry: FvdbGeometry) -> Tensor:
        """Into the grid's order."""
        return x.new_zeros(x.shape).index_copy(0, geometry.row_of_ours, x)

    def leave(self, y: Tensor, geometry: FvdbGeometry) -> Tensor:
        """Back into ours."""
        return y.index_select(0, geometry.row_of_ours)


def _of_kind(kind: Kind) -> Any:
    def convolve(x: Tensor, weight: Tensor, geometry: FvdbGeometry, level: int) -> Tensor:
        plan = geometry.plans[kind, level]
        if plan.source_grid_batch.grid_count == 1:
            return plan.execute(x, weight)
        return plan.execute(plan.source_grid_batch.jagged_like(x), weight).jdata

    return convolve


FVDB = Fvdb()
