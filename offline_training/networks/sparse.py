"""Sparse convolution over the core's kernel maps, with gradients, on any torch device.

Weights are [K, C_in, C_out] with the offsets in lexicographic order, z fastest. Two forms give the same numbers: `gather` is the readable
reference and the form that is exported; `offset` skips the missing neighbours and is the default (three quarters of them are missing).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.kernel_maps import KernelMaps

FORMS = ("offset", "gather", "torchsparse")
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
    """One gather table of one level; its pair lists are built once and shared by all layers that use the table."""

    index: Tensor  # (rows out, K) int64 into the rows in; missing = count_in
    count_in: int
    centre: int | None = None  # the offset that maps every row to itself, if there is one

    @cached_property
    def pairs(self) -> Pairs:
        """The existing neighbours, offset by offset, in order of the output rows."""
        by_offset = self.index.t().contiguous()
        present = by_offset < self.count_in
        per_offset = present.sum(dim=1).tolist()
        out_rows = present.nonzero()[:, 1].split(per_offset)
        return Pairs(by_offset[present].split(per_offset), out_rows)

    def to(self, device: torch.device | str) -> "NeighbourTable":
        """The table on another device."""
        return replace(self, index=self.index.to(device))


@dataclass(frozen=True)
class SparseMaps:
    """The kernel maps of one batch of scans as torch tensors, with the form in which convolutions shall use them."""

    counts: tuple[int, ...]  # voxels per level
    subm: tuple[NeighbourTable, ...]  # level l: (N_l, 27), rows of level l
    child: tuple[NeighbourTable, ...]  # level l: (N_{l+1}, 8), rows of level l
    up: tuple[Tensor, ...]  # level l: (N_l,) int64 = parent row * 8 + which child
    coords: tuple[Tensor, ...]  # level l: (N_l, 4) int32 batch, x, y, z
    form: str = "offset"

    @classmethod
    def from_kernel_maps(cls, maps: KernelMaps, form: str = "offset") -> "SparseMaps":
        """Take over numpy kernel maps; `form` is one of FORMS."""
        if form not in FORMS:
            raise ValueError(f"form: expected one of {FORMS}, found {form!r}")
        counts = tuple(int(count) for count in maps.counts)
        return cls(
            counts=counts,
            subm=tuple(
                NeighbourTable(_int64(table), count, _SUBMANIFOLD_CENTRE)
                for table, count in zip(maps.subm, counts, strict=True)
            ),
            child=tuple(
                NeighbourTable(_int64(table), count) for table, count in zip(maps.child, counts[:-1], strict=True)
            ),
            up=tuple(_int64(parent_and_child) for parent_and_child in maps.up),
            coords=tuple(_with_batch(maps, level) for level in range(len(counts))),
            form=form,
        )

    def to(self, device: torch.device | str) -> "SparseMaps":
        """The maps on another device."""
        return replace(
            self,
            subm=tuple(table.to(device) for table in self.subm),
            child=tuple(table.to(device) for table in self.child),
            up=tuple(index.to(device) for index in self.up),
            coords=tuple(rows.to(device) for rows in self.coords),
        )

    def in_form(self, form: str) -> "SparseMaps":
        """The same maps, used in another form."""
        return replace(self, form=form)


def sparse_conv(x: Tensor, weight: Tensor, table: NeighbourTable, form: str = "offset") -> Tensor:
    """y[i] = sum_k x[index[i, k]] @ weight[k], missing rows being zero: submanifold or strided, as the table says.

    x: (count_in, C_in), weight: (K, C_in, C_out). Returns (rows of the table, C_out).
    """
    x, weight = _autocast(x, weight)
    if form == "gather":
        padded = torch.cat([x, x.new_zeros(1, x.shape[1])])
        neighbours = padded.index_select(0, table.index.flatten()).reshape(len(table.index), -1)  # (M, K * C_in)
        return neighbours @ weight.reshape(-1, weight.shape[2])
    return _OffsetConv.apply(x, weight, table.pairs, len(table.index), table.centre)


def sparse_inverse_conv(x: Tensor, weight: Tensor, up: Tensor, child: NeighbourTable, form: str = "offset") -> Tensor:
    """y[i] = x[up[i] // 8] @ weight[up[i] % 8]: each fine voxel takes from its one parent.

    x: (N_{l+1}, C_in), weight: (8, C_in, C_out). Returns (N_l, C_out).
    """
    x, weight = _autocast(x, weight)
    if form == "gather":
        to_children = x @ weight.permute(1, 0, 2).reshape(weight.shape[1], -1)  # (N_{l+1}, 8 * C_out)
        return to_children.reshape(-1, weight.shape[2]).index_select(0, up)
    return _OffsetConv.apply(x, weight, child.pairs.swapped(), len(up), None)


class SubmanifoldConv(nn.Module):
    """3x3x3 convolution that keeps the set of voxels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(27, in_channels, out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_level, C_in). Returns (N_level, C_out)."""
        if maps.form == "torchsparse":
            from offline_training.networks.torchsparse_conv import submanifold_conv

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
        return sparse_inverse_conv(x, self.weight, maps.up[level], maps.child[level], _own_form(maps))


class _OffsetConv(torch.autograd.Function):
    """Gather, multiply and add one offset at a time.

    Within one offset no output row occurs twice, and in a gradient no input row: every addition is free of collisions,
    so the result is the same in every run, on CUDA too. Sums are kept in float32 at least.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, pairs: Pairs, count_out: int, centre: int | None) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(x, weight)
        ctx.pairs, ctx.centre = pairs, centre
        total = _zeros(x, count_out, weight.shape[2]) if centre is None else (x @ weight[centre]).to(_sum_type(x))
        for k, (in_rows, out_rows) in enumerate(zip(*pairs, strict=True)):
            if k != centre and len(in_rows):
                total.index_add_(0, out_rows, (x.index_select(0, in_rows) @ weight[k]).to(total.dtype))
        return total.to(x.dtype)

    @staticmethod
    def backward(ctx, y_gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:  # noqa: ANN001
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
