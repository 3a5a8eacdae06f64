"""Sparse convolution over the core's kernel maps, with gradients, on any torch device.

Weights are [K, C_in, C_out] with the offsets in lexicographic order, z fastest. All forms give the same numbers:
    gather       the readable reference
    offset       skips the missing neighbours (three quarters are missing); any device
    blocks       the same in compiled loops, on CPUs, for widths that fill vector registers
    torchsparse  torchsparse's kernels for the submanifold convolutions, on CUDA
    auto         blocks where they can be used, else offset
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.voxels.kernel_maps import KernelMaps
from offline_training.networks.sparse.cpu_conv import BlockConv, BlockPairs, fits

FORMS = ("auto", "gather", "offset", "blocks", "torchsparse")
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
    def blocks(self) -> BlockPairs:
        """The existing neighbours as the compiled loops read them."""
        return BlockPairs.of_table(self.index.numpy(), self.count_in)

    @cached_property
    def inverse_blocks(self) -> BlockPairs:
        """The pairs from the output rows back to the input rows; a submanifold table is its own inverse."""
        return self.blocks if self.up is None else BlockPairs.of_up(self.up.numpy())

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


def sparse_conv(x: Tensor, weight: Tensor, table: NeighbourTable, form: str = "auto") -> Tensor:
    """y[i] = sum_k x[index[i, k]] @ weight[k], missing rows being zero: submanifold or strided, as the table says.

    x: (count_in, C_in), weight: (K, C_in, C_out). Returns (rows of the table, C_out).
    """
    x, weight = _autocast(x, weight)
    if form == "gather":
        padded = torch.cat([x, x.new_zeros(1, x.shape[1])])
        neighbours = padded.index_select(0, table.index.flatten())  # (M * K, C_in)
        flat_weight = weight.reshape(-1, weight.shape[2])  # (K * C_in, C_out)
        return neighbours.reshape(len(table.index), len(flat_weight)) @ flat_weight
    if _takes_blocks(form, weight, x):
        return BlockConv.apply(x, weight, table.blocks, table.inverse_blocks, table.up is None)
    return _OffsetConv.apply(x, weight, table.pairs, len(table.index), table.centre)


def sparse_inverse_conv(x: Tensor, weight: Tensor, child: NeighbourTable, form: str = "auto") -> Tensor:
    """y[i] = x[up[i] // 8] @ weight[up[i] % 8]: each fine voxel takes from its one parent.

    x: (N_{l+1}, C_in), weight: (8, C_in, C_out), child: the table of the strided convolution. Returns (N_l, C_out).
    """
    x, weight = _autocast(x, weight)
    if child.up is None:
        raise ValueError("child: expected the table of a strided convolution, found a submanifold one")
    if form == "gather":
        to_children = x @ weight.permute(1, 0, 2).reshape(weight.shape[1], -1)  # (N_{l+1}, 8 * C_out)
        return to_children.reshape(-1, weight.shape[2]).index_select(0, child.up)
    if _takes_blocks(form, weight, x):
        return BlockConv.apply(x, weight, child.inverse_blocks, child.blocks, False)
    return _OffsetConv.apply(x, weight, child.pairs.swapped(), child.count_in, None)


class SubmanifoldConv(nn.Module):
    """3x3x3 convolution that keeps the set of voxels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(27, in_channels, out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_level, C_out)."""
        if maps.form == "torchsparse":
            from offline_training.networks.sparse.torchsparse_conv import submanifold_conv

            return submanifold_conv(x, self.weight, maps.coords[level])
        return sparse_conv(x, self.weight, maps.subm[level], maps.form)


class DownConv(nn.Module):
    """2x2x2 convolution with stride 2: children to their parent."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(8, in_channels, out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_{level+1}, C_out)."""
        return sparse_conv(x, self.weight, maps.child[level], _own_form(maps))


class UpConv(nn.Module):
    """Inverse of DownConv: parent to its children, onto the voxels of the finer level."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(8, in_channels, out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_{level+1}, C_in). Returns (N_level, C_out)."""
        return sparse_inverse_conv(x, self.weight, maps.child[level], _own_form(maps))


class _OffsetConv(torch.autograd.Function):
    """Gather, multiply and add one offset at a time.

    Within one offset no output row occurs twice, and in a gradient no input row: every addition is free of collisions,
    so the result is the same in every run, on CUDA too. Sums are kept in float32 at least.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, pairs: Pairs, count_out: int, centre: int | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x, weight)
        ctx.pairs, ctx.centre = pairs, centre
        total = _zeros(x, count_out, weight.shape[2]) if centre is None else (x @ weight[centre]).to(_sum_type(x))
        for k, (in_rows, out_rows) in enumerate(zip(*pairs, strict=True)):
            if k != centre and len(in_rows):
                total.index_add_(0, out_rows, (x.index_select(0, in_rows) @ weight[k]).to(total.dtype))
        return total.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, y_gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:  # noqa: ANN401
        x, weight = ctx.saved_tensors
        y_gradient = y_gradient.contiguous()
        wants_x = ctx.needs_input_grad[0]
        x_gradient = _zeros(x, *x.shape) if wants_x else None
        weight_gradient = torch.zeros_like(weight)
        for k, (in_rows, out_rows) in enumerate(zip(*ctx.pairs, strict=True)):
            if not len(in_rows):
                continue
            centred = k == ctx.centre
            x_k = x if centred else x.index_select(0, in_rows)
            y_k = y_gradient if centred else y_gradient.index_select(0, out_rows)
            weight_gradient[k] = x_k.t() @ y_k
            if x_gradient is not None:
                x_gradient.index_add_(0, in_rows, (y_k @ weight[k].t()).to(x_gradient.dtype))
        return (x_gradient.to(x.dtype) if x_gradient is not None else None), weight_gradient, None, None, None


def _own_form(maps: SparseMaps) -> str:
    # torchsparse orders coarse voxels its own way, so the strided convolutions, a tenth of the work, stay ours.
    return "offset" if maps.form == "torchsparse" else maps.form


def _takes_blocks(form: str, weight: Tensor, x: Tensor) -> bool:
    return form in ("auto", "blocks") and fits(weight, x)


def _fan_out_weight(kernel_volume: int, in_channels: int, out_channels: int) -> nn.Parameter:
    """He initialisation by the fan-out, as the MinkUNet papers do it."""
    weight = torch.empty(kernel_volume, in_channels, out_channels)
    return nn.Parameter(weight.normal_(0.0, (2.0 / (kernel_volume * out_channels)) ** 0.5))


def _autocast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.result_type(x, weight)
    return x.to(dtype), weight.to(dtype)


def _sum_type(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _zeros(x: Tensor, rows: int, columns: int) -> Tensor:
    return torch.zeros(rows, columns, dtype=_sum_type(x), device=x.device)


def _int64(index: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))


def _with_batch(maps: KernelMaps, level: int) -> Tensor:
    coords = maps.coords[level]
    batch = np.zeros(len(coords), np.int32) if maps.batch is None else maps.batch[level]
    return torch.from_numpy(np.column_stack([batch, coords]).astype(np.int32))
