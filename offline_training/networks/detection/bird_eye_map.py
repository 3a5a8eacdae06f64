"""The seam between the sparse and the dense part of a detector: rows of active cells to a map seen from above."""

from typing import Any

import torch
from torch import Tensor


def bird_eye_map(rows: Tensor, map_index: Tensor) -> Tensor:
    """Dense map (S, C * D, H, W) from rows (A, C); channel c of height d is map channel c * D + d, as OpenPCDet has it.

    map_index: (S, D, H, W) int64 row of each cell, A = an empty cell, which is 0.
    """
    scans, depth, height, width = map_index.shape
    cells: Tensor = _Gather.apply(rows, map_index.flatten())
    dense = cells.reshape(scans, depth, height, width, -1).permute(0, 4, 1, 2, 3)
    return dense.reshape(scans, -1, height, width)


class _Gather(torch.autograd.Function):
    """rows[index] with a row of zeros behind the last.

    Its gradient is a copy, not a sum: each row stands in one cell. The sum that torch would form adds the gradients of all
    empty cells, nine of ten, onto the one row of zeros.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:  # noqa: ANN401  torch's context
        ctx.save_for_backward(index)
        ctx.count = len(rows)
        return torch.cat([rows, rows.new_zeros(1, rows.shape[1])]).index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (index,) = ctx.saved_tensors
        padded = gradient.new_zeros(ctx.count + 1, gradient.shape[1])
        return padded.index_copy_(0, index, gradient)[: ctx.count], None
