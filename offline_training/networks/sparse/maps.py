"""Kernel maps of a batch as torch tensors: who is whose neighbour, for convolutions of every form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.voxels.wide_table import wide_table
from offline_training.networks.sparse.on_device.kernel_maps import device_kernel_maps
from offline_training.networks.sparse.on_device.wide_table import device_wide_table

if TYPE_CHECKING:
    from offline_training.networks.sparse.cpu_conv import BlockPairs
    from offline_training.networks.sparse.gather_rows import FlatPairs, GatherRows

FORMS = ("auto", "gather", "offset", "blocks", "torchsparse", "triton")
_SUBMANIFOLD_CENTRE, _WIDE_CENTRE = 13, 62  # offset (0, 0, 0) of the 27, and of the 125


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
        """The table from the output rows back to the input rows."""
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
class LevelTables:
    """What convolutions read on each level of a batch."""

    counts: tuple[int, ...]  # voxels per level
    subm: tuple[NeighbourTable, ...]  # level l: (N_l, 27), rows of level l
    child: tuple[NeighbourTable, ...]  # level l: (N_{l+1}, 8), rows of level l, and up: (N_l,)
    coords: tuple[Tensor, ...]  # level l: (N_l, 4) int32 batch, x, y, z


@dataclass(frozen=True)
class SparseMaps:
    """The kernel maps of one batch of scans, with the form in which convolutions shall use them.

    The tables are built when first read, where the voxels lie: on CUDA in torch, else by the core's loops. Both are the same.
    """

    voxels: Tensor  # (M, 4) int32 batch, x, y, z, each once and sorted
    levels: int = 5
    form: str = "auto"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form: expected one of {FORMS}, found {self.form!r}")

    @classmethod
    def of_coords(
        cls, coords: np.ndarray, batch: np.ndarray | None = None, levels: int = 5, form: str = "auto"
    ) -> "SparseMaps":
        """coords: (M, 3) int32 x, y, z; batch: (M,) scan of each, one scan where it is not given."""
        scan = np.zeros(len(coords), np.int32) if batch is None else batch
        return cls(torch.from_numpy(np.column_stack([scan, coords]).astype(np.int32)), levels, form)

    @cached_property
    def tables(self) -> LevelTables:
        """All levels. Raises BadPointCloud for voxels that are not sorted, double or below 0."""
        return _tables_on_device(self) if self.voxels.is_cuda else _tables_on_cpu(self)

    @property
    def counts(self) -> tuple[int, ...]:
        """Voxels per level."""
        return self.tables.counts

    @property
    def subm(self) -> tuple[NeighbourTable, ...]:
        """Neighbours on each level."""
        return self.tables.subm

    @cached_property
    def wide(self) -> NeighbourTable:
        """The 125 neighbours of a 5^3 convolution on the finest level."""
        scan, coords = self.voxels[:, 0], self.voxels[:, 1:]
        on_cuda = self.voxels.is_cuda
        table = device_wide_table(self.voxels) if on_cuda else _int64(wide_table(coords.numpy(), scan.numpy()))
        return NeighbourTable(table, len(self.voxels), centre=_WIDE_CENTRE)

    @property
    def child(self) -> tuple[NeighbourTable, ...]:
        """Children on each level but the last."""
        return self.tables.child

    @property
    def coords(self) -> tuple[Tensor, ...]:
        """Voxels of each level, (N_l, 4) int32 batch, x, y, z."""
        return self.tables.coords

    def to(self, device: torch.device | str) -> "SparseMaps":
        """The maps on another device: voxels move, tables, which are 20 times as large, are built there."""
        voxels = self.voxels.to(device)
        return self if voxels is self.voxels else replace(self, voxels=voxels)


def _tables_on_cpu(maps: SparseMaps) -> LevelTables:
    batch, coords = maps.voxels[:, 0].contiguous().numpy(), maps.voxels[:, 1:].contiguous().numpy()
    built = build_kernel_maps(coords, maps.levels, batch)
    subm, child, up = ([_int64(table) for table in tables] for tables in (built.subm, built.child, built.up))
    levels = zip(built.batch or (), built.coords, strict=True)
    rows = tuple(torch.from_numpy(np.column_stack([scan, level])) for scan, level in levels)
    return _tables(built.counts, subm, child, up, rows)


def _tables_on_device(maps: SparseMaps) -> LevelTables:
    built = device_kernel_maps(maps.voxels, maps.levels)
    return _tables(built.counts, built.subm, built.child, built.up, built.coords)


def _tables(
    counts: Sequence[int],
    subm: Sequence[Tensor],
    child: Sequence[Tensor],
    up: Sequence[Tensor],
    coords: tuple[Tensor, ...],
) -> LevelTables:
    return LevelTables(
        counts=tuple(int(count) for count in counts),
        subm=tuple(
            NeighbourTable(table, int(count), centre=_SUBMANIFOLD_CENTRE)
            for table, count in zip(subm, counts, strict=True)
        ),
        child=tuple(
            NeighbourTable(table, int(count), up=parent)
            for table, count, parent in zip(child, counts, up, strict=False)
        ),
        coords=coords,
    )


def _int64(index: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))
