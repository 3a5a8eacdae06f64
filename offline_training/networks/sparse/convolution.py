"""Sparse convolution over the core's kernel maps, with gradients, on any torch device.

Weights are [K, C_in, C_out] with the offsets in lexicographic order, z fastest. All forms give the same numbers:
    gather       the readable reference
    offset       skips the missing neighbours (three quarters are missing); any device
    blocks       the same in compiled loops, on CPUs, for widths that fill vector registers
    torchsparse  torchsparse's kernels for the submanifold convolutions, on CUDA
    triton       our own kernels for all of them, on CUDA
    auto         blocks where they can be used, else offset
"""

from typing import Any

import torch
from torch import Tensor, nn

from offline_training.networks.sparse.cpu_conv import BlockConv, fits
from offline_training.networks.sparse.maps import NeighbourTable, Pairs, SparseMaps
from offline_training.networks.sparse.triton_conv import TritonConv


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
    if form == "triton":
        return TritonConv.apply(x, weight, table.gather, table.inverse_gather, table.flat_pairs)
    return _OffsetConv.apply(x, weight, table.pairs, len(table.index), table.centre)


def sparse_inverse_conv(x: Tensor, weight: Tensor, child: NeighbourTable, form: str = "auto") -> Tensor:
    """y[i] = x[up[i] // 8] @ weight[up[i] % 8]: each fine voxel takes from its one parent.

    x: (N_{l+1}, C_in), weight: (8, C_in, C_out), child: the table of the strided convolution. Returns (N_l, C_out).
    Raises ValueError for the table of a submanifold convolution.
    """
    x, weight = _autocast(x, weight)
    if child.up is None:
        raise ValueError("child: expected the table of a strided convolution, found a submanifold one")
    if form == "gather":
        to_children = x @ weight.permute(1, 0, 2).reshape(weight.shape[1], -1)  # (N_{l+1}, 8 * C_out)
        return to_children.reshape(-1, weight.shape[2]).index_select(0, child.up)
    if _takes_blocks(form, weight, x):
        return BlockConv.apply(x, weight, child.inverse_blocks, child.blocks, False)
    if form == "triton":
        return TritonConv.apply(x, weight, child.inverse_gather, child.gather, child.flat_pairs.swapped())
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


class WideConv(nn.Module):
    """5x5x5 convolution that keeps the set of voxels; on the finest level alone, whose table of 125 neighbours it reads."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = _fan_out_weight(125, in_channels, out_channels)

    def forward(self, x: Tensor, maps: SparseMaps, level: int) -> Tensor:
        """x: (N_0, C_in), level: 0. Returns (N_0, C_out). Raises ValueError for another level."""
        if level != 0:
            raise ValueError(f"level: expected 0 for a 5x5x5 convolution, found {level}")
        if maps.form == "torchsparse":
            from offline_training.networks.sparse.torchsparse_conv import submanifold_conv

            return submanifold_conv(x, self.weight, maps.coords[0])
        return sparse_conv(x, self.weight, maps.wide, maps.form)


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
