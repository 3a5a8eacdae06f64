"""A neighbour table as GPU kernels read it: offset by offset in 32 bits, and as one flat list of pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GatherRows:
    """Column i says which rows feed output row targets[i], one per kernel offset."""

    slots: Tensor  # (K, rows) int32 rows of the input; -1 = missing
    targets: Tensor  # (rows,) int32, a permutation

    @classmethod
    def of_table(cls, index: Tensor, count_in: int) -> "GatherRows":
        """index: (rows, K); entries of `count_in` are missing. The rows stay in their order."""
        slots = torch.where(index < count_in, index, -1).t().to(torch.int32).contiguous()
        return cls(slots, torch.arange(len(index), dtype=torch.int32, device=index.device))

    @classmethod
    def inverse_of_table(cls, index: Tensor, count_in: int) -> "GatherRows":
        """The way from the rows of the output back to those of the input, which feed at most one of them per offset.

        Rows with the same offsets stand side by side, so that a block of rows skips what all of them lack: each child of
        a strided convolution has one parent, in one of 8 places.
        index: (N_out, K) rows of the input, count_in where there is none.
        """
        present, offset, out_row = _present(index, count_in)
        slots = torch.full((index.shape[1], count_in), -1, dtype=torch.int32, device=index.device)
        slots[offset, index.t()[present]] = out_row.to(torch.int32)
        bit = torch.arange(len(slots), device=index.device)[:, None]
        order = ((slots >= 0).long() << bit).sum(dim=0).argsort(stable=True)
        return cls(slots[:, order].contiguous(), order.to(torch.int32))

    def mirrored(self) -> "GatherRows":
        """The inverse of a submanifold table: the neighbour at an offset has this row at the opposite one."""
        return GatherRows(self.slots.flip(0), self.targets)


@dataclass(frozen=True)
class FlatPairs:
    """The existing neighbours, offset by offset: those of offset k stand at starts[k] to starts[k + 1]."""

    in_rows: Tensor  # (P,) int32
    out_rows: Tensor  # (P,) int32
    starts: Tensor  # (K + 1,) int32

    @classmethod
    def of_table(cls, index: Tensor, count_in: int) -> "FlatPairs":
        """index: (rows, K); entries of `count_in` are missing."""
        present, _, out_row = _present(index, count_in)
        starts = torch.zeros(index.shape[1] + 1, dtype=torch.int32, device=index.device)
        starts[1:] = present.sum(dim=1).cumsum(dim=0)
        return cls(index.t()[present].to(torch.int32), out_row.to(torch.int32), starts)

    def swapped(self) -> "FlatPairs":
        """The pairs of the transposed convolution."""
        return FlatPairs(self.out_rows, self.in_rows, self.starts)


def _present(index: Tensor, count_in: int) -> tuple[Tensor, Tensor, Tensor]:
    """(K, rows) bool, and the offset and the output row of each existing neighbour, offset by offset."""
    present = index.t() < count_in
    offset, out_row = present.nonzero().unbind(dim=1)
    return present, offset, out_row
