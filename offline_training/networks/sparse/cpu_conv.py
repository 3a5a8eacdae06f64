"""Sparse convolution for training on CPUs: the loops of the fused engine forward and backward.

Two to three times faster than the same sums through torch. Each thread has fixed blocks, so a run can be repeated bit by bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lidar_vl_core.engines.cpu.registers import LANES, MAX_VECTORS
from lidar_vl_core.foundation.threads import HelperThreads
from offline_training.networks.sparse.cpu_conv_kernels import (
    CHANNEL_STEP,
    add_convolution,
    add_weight_gradient,
    list_blocks,
    list_up_blocks,
    panels_of,
)

_BLOCK_ROWS = 512


@dataclass(frozen=True)
class BlockPairs:
    """Existing neighbours of one table, sorted by block of output rows, then by kernel offset."""

    lists: np.ndarray  # int64 input row << 32 | output row, lists of _BLOCK_ROWS per block and offset
    counts: np.ndarray  # (blocks, K) int32
    rows: int  # of the output

    @classmethod
    def of_table(cls, index: np.ndarray, limit: int) -> "BlockPairs":
        """index: (rows, K), entries of `limit` or more are missing neighbours."""
        pairs = cls._empty(len(index), index.shape[1])
        _in_threads(
            len(pairs.counts),
            lambda first, last, _: list_blocks(index, limit, _BLOCK_ROWS, first, last, pairs.lists, pairs.counts),
        )
        return pairs

    @classmethod
    def of_up(cls, up: np.ndarray) -> "BlockPairs":
        """up: (rows,) parent * 8 + k."""
        pairs = cls._empty(len(up), 8)
        _in_threads(
            len(pairs.counts),
            lambda first, last, _: list_up_blocks(up, len(up), _BLOCK_ROWS, first, last, pairs.lists, pairs.counts),
        )
        return pairs

    @classmethod
    def _empty(cls, rows: int, kernel: int) -> "BlockPairs":
        blocks = -(-rows // _BLOCK_ROWS)
        size = blocks * kernel * _BLOCK_ROWS
        return cls(np.empty(size, np.int64), np.zeros((blocks, kernel), np.int32), rows)


def fits(weight: Tensor, x: Tensor) -> bool:
    """Whether these loops can take a layer: float32 on a CPU, output channels that fill vector registers.

    weight: (K, C_in, C_out); x: (N_in, C_in).
    """
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and weight.shape[2] % LANES == 0
        and (weight.shape[1] % LANES == 0 or not x.requires_grad)
    )


class BlockConv(torch.autograd.Function):
    """y[out] += x[in] @ weight[k] over the pairs of a table; `backward_pairs` lead from outputs back to inputs."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's context
        x: Tensor,
        weight: Tensor,
        pairs: BlockPairs,
        backward_pairs: BlockPairs,
        flip: bool,
    ) -> Tensor:
        """Convolve x (N_in, C_in) by weight (K, C_in, C_out) to (N_out, C_out).

        flip: the way back meets the kernel offsets in reverse, as in a submanifold table.
        """
        ctx.pairs, ctx.backward_pairs, ctx.flip = pairs, backward_pairs, flip
        x = x.contiguous()
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight, pairs)

    @staticmethod
    def backward(ctx: Any, y_gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:  # noqa: ANN401
        """Gradients of x and weight, in their shapes; None for the other arguments. y_gradient: (N_out, C_out)."""
        x, weight = ctx.saved_tensors
        y_gradient = y_gradient.contiguous()
        x_gradient = None
        if ctx.needs_input_grad[0]:
            transposed = (weight.flip(0) if ctx.flip else weight).transpose(1, 2)
            x_gradient = _convolve(y_gradient, transposed, ctx.backward_pairs)
        return x_gradient, _weight_gradient(x, y_gradient, weight, ctx.pairs), None, None, None


def _convolve(x: Tensor, weight: Tensor, pairs: BlockPairs) -> Tensor:
    _, c_in, c_out = weight.shape
    panels = panels_of(c_out, MAX_VECTORS)
    packed = torch.cat([weight[:, :, column : column + vectors * LANES].reshape(-1) for column, vectors in panels])
    y = torch.zeros(pairs.rows, c_out)
    if len(x) and pairs.rows:
        y_offset = (y.data_ptr() - x.data_ptr()) // 4
        x_flat, w_flat = x.detach().view(-1).numpy(), packed.detach().numpy()
        _in_threads(
            len(pairs.counts),
            lambda first, last, _: add_convolution(
                x_flat, c_in, y_offset, c_out, w_flat, c_in, panels,
                pairs.lists, pairs.counts, _BLOCK_ROWS, first, last,
            ),
        )  # fmt: skip
    return y


def _weight_gradient(x: Tensor, y_gradient: Tensor, weight: Tensor, pairs: BlockPairs) -> Tensor:
    kernel, c_in, c_out = weight.shape
    padding = -c_in % CHANNEL_STEP
    x_padded = F.pad(x, (0, padding)) if padding else x
    sums = torch.zeros(torch.get_num_threads(), kernel, c_in + padding, c_out)
    if len(x) and pairs.rows:
        x_flat, g_flat = x_padded.detach().view(-1).numpy(), y_gradient.view(-1).numpy()
        panels = panels_of(c_out, MAX_VECTORS)
        _in_threads(
            len(pairs.counts),
            lambda first, last, thread: add_weight_gradient(
                x_flat, g_flat, sums[thread].view(-1).numpy(), c_in + padding, c_out, panels,
                pairs.lists, pairs.counts, _BLOCK_ROWS, first, last,
            ),
        )  # fmt: skip
    return sums.sum(dim=0)[:, :c_in]


def _in_threads(blocks: int, work: Callable[[int, int, int], None]) -> None:
    """Call work(first block, last block, thread) once per torch thread, always with the same division."""
    threads = torch.get_num_threads()
    edges = np.linspace(0, blocks, threads + 1).astype(int).tolist()
    with HelperThreads(threads) as helpers:
        for thread, (first, last) in enumerate(pairwise(edges)):
            helpers.add(partial(work, first, last, thread))
