"""Kernel maps of a batch as torch tensors: who is whose neighbour, for convolutions of every form."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.kernel_maps import KernelMaps

if TYPE_CHECKING:
    from offline_training.networks.sparse.cpu_conv import BlockPairs
    from offline_training.networks.sparse.gather_rows import FlatPairs, GatherRows

FORMS = ("auto", "gather", "offset", "blocks", "torchsparse", "triton")
_SUBMANIFOLD_CENTRE = 13  # offset (0, 0, 0) of the 27


class Pairs(NamedTuple):
    """Who feeds whom, one entry per kernel offset: output row out_rows[k][i] takes input row in_rows[k][i]."""

    in_rows: tuple[Tensor, ...]  # K x (P_k,) int64
    out_rows: tuple[Tensor, ...]  # K x (P_k,) int64

    def swapped(self) -> "Pairs":
        """The pairs of the transposed convolution."""
        return Pairs(self.out_rows, self.in_rows)


@dataclass(frozen=True)
class NeighbourTable:
    """Gather table of a submanifold convolution (27 neighbours) or of a strided one and its inverse (8 children).

    Its pair lists are built when first needed and shared by all layers that use the table.
    """

    index: Tensor  # (rows out, K) int64 into the rows in; missing = count_in
    count_in: int
    centre: int | None = None  # the offset that maps every row to itself, if there is one
    up: Tensor | None = None  # (count_in,) int64 = row out * 8 + k: the inverse of a table of children

    @cached_property
    def pairs(self) -> Pairs:
        """The existing neighbours, offset by offset, in order of the output rows."""
        by_offset = self.index.t().contiguous()
        present = by_offset < self.count_in
        per_offset = present.sum(dim=1).tolist()
        out_rows = present.nonzero()[:, 1].split(per_offset)
        return Pairs(by_offset[present].split(per_offset), out_rows)

    @cached_property
    def blocks(self) -> "BlockPairs":
        """The existing neighbours as the compiled loops read them."""
        from offline_training.networks.sparse.cpu_conv import BlockPairs  # loads a compiler: only where it is used

        return BlockPairs.of_table(self.index.numpy(), self.count_in)

    @cached_property
    def inverse_blocks(self) -> "BlockPairs":
        """The pairs from the output rows back to the input rows; a submanifold table is its own inverse."""
        from offline_training.networks.sparse.cpu_conv import BlockPairs

        return self.blocks if self.up is None else BlockPairs.of_up(self.up.numpy())

    @cached_property
    def gather(self) -> "GatherRows":
        """The table as GPU kernels read it."""
        from offline_training.networks.sparse.gather_rows import GatherRows

        return GatherRows.of_table(self.index, self.count_in)

    @cached_property
    def inverse_gather(self) -> "GatherRows":
        """The same from the output rows back to the input rows."""
        from offline_training.networks.sparse.gather_rows import GatherRows

        if self.centre is not None:
            return self.gather.mirrored()
        return GatherRows.inverse_of_table(self.index, self.count_in)

    @cached_property
    def flat_pairs(self) -> "FlatPairs":
        """The existing neighbours as GPU kernels read them."""
        from offline_training.networks.sparse.gather_rows import FlatPairs

        return FlatPairs.of_table(self.index, self.count_in)

    def to(self, device: torch.device | str) -> "NeighbourTable":
        """The table on another device."""
        up = None if self.up is None else self.up.to(device)
        return NeighbourTable(self.index.to(device), self.count_in, self.centre, up)


@dataclass(frozen=True)
class SparseMaps:
    """The kernel maps of one batch of scans as torch tensors, with the form in which convolutions shall use them."""

    counts: tuple[int, ...]  # voxels per level
    subm: tuple[NeighbourTable, ...]  # level l: (N_l, 27), rows of level l
    child: tuple[NeighbourTable, ...]  # level l: (N_{l+1}, 8), rows of level l, and up: (N_l,)
    coords: tuple[Tensor, ...]  # level l: (N_l, 4) int32 batch, x, y, z
    form: str = "auto"

    @classmethod
    def from_kernel_maps(cls, maps: KernelMaps, form: str = "auto") -> "SparseMaps":
        """Take over numpy kernel maps; `form` is one of FORMS."""
        if form not in FORMS:
            raise ValueError(f"form: expected one of {FORMS}, found {form!r}")
        counts = tuple(int(count) for count in maps.counts)
        return cls(
            counts=counts,
            subm=tuple(
                NeighbourTable(_int64(table), count, centre=_SUBMANIFOLD_CENTRE)
                for table, count in zip(maps.subm, counts, strict=True)
            ),
            child=tuple(
                NeighbourTable(_int64(table), count, up=_int64(up))
                for table, count, up in zip(maps.child, counts, maps.up, strict=False)
            ),
            coords=tuple(_with_batch(maps, level) for level in range(len(counts))),
            form=form,
        )

    def to(self, device: torch.device | str) -> "SparseMaps":
        """The maps on another device."""
        return replace(
            self,
            subm=tuple(table.to(device) for table in self.subm),
            child=tuple(table.to(device) for table in self.child),
            coords=tuple(rows.to(device) for rows in self.coords),
        )


def _int64(index: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))


def _with_batch(maps: KernelMaps, level: int) -> Tensor:
    coords = maps.coords[level]
    batch = np.zeros(len(coords), np.int32) if maps.batch is None else maps.batch[level]
    return torch.from_numpy(np.column_stack([batch, coords]).astype(np.int32))
