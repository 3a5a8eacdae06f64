"""Compiled loops of the CPU training convolution: pair lists in blocks, products forward, products for the weight gradient."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lidar_vl_core.engines.cpu.kernels import add_products, list_pairs, list_up_pairs
from lidar_vl_core.engines.cpu.registers import INDEX, LANES, RegisterTile, data_of_arrays, row_at, rows_of_pair

CHANNEL_STEP = 8  # input channels come in multiples of this


@njit(cache=True, nogil=True)
def list_blocks(
    index: np.ndarray,
    limit: int,
    block_rows: int,
    first_block: int,
    last_block: int,
    pairs: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Write which input row meets which output row, per block of output rows and kernel offset.

    index: (rows, K), entries >= limit are missing. Lists of block b and offset k start at (b * K + k) * block_rows.
    """
    rows, kernel = index.shape
    for block in range(first_block, last_block):
        start, stop = block * block_rows, min((block + 1) * block_rows, rows)
        list_pairs(index, limit, start, stop, block_rows, pairs[start * kernel :], counts[block])


@njit(cache=True, nogil=True)
def list_up_blocks(
    up: np.ndarray,
    limit: int,
    block_rows: int,
    first_block: int,
    last_block: int,
    pairs: np.ndarray,
    counts: np.ndarray,
) -> None:
    """As list_blocks, for a table with one entry per row: parent * 8 + k.

    up: (rows,); pairs: (8 * rows,) int64; counts: (blocks, 8).
    """
    for block in range(first_block, last_block):
        start, stop = block * block_rows, min((block + 1) * block_rows, len(up))
        list_up_pairs(up, limit, start, stop, block_rows, pairs[start * 8 :], counts[block])


@njit(cache=True, nogil=True)
def add_convolution(
    x: np.ndarray,
    x_stride: int,
    y_offset: int,
    y_stride: int,
    weights: np.ndarray,
    c_in: int,
    panels: np.ndarray,
    pairs: np.ndarray,
    counts: np.ndarray,
    block_rows: int,
    first_block: int,
    last_block: int,
) -> None:
    """Add x[in] @ w[k] to y[out] for all pairs of some blocks.

    x, weights: flat float32. y lies y_offset values behind x. weights: panel after panel [K, c_in, columns].
    panels: (P, 2) first column, vectors of LANES columns.
    """
    kernel = counts.shape[1]
    for block in range(first_block, last_block):
        for panel in range(len(panels)):
            column, vectors = panels[panel]
            width = vectors * LANES
            for k in range(kernel):
                count = counts[block, k]
                if count == 0:
                    continue
                first = (block * kernel + k) * block_rows
                w = c_in * (kernel * column + k * width)
                y = y_offset + column
                add_products(vectors, x, weights, pairs, first, count, 0, x_stride, w, c_in, y, y_stride)


def _outer_products(vectors: int, channels: int) -> Any:  # noqa: ANN401  a numba intrinsic
    """Build w[c, :] += x[input row, c] * g[output row, :] over all pairs, `channels` rows of w at a time in registers."""

    @intrinsic
    def add_outer(  # type: ignore[no-untyped-def]  # noqa: ANN202  numba reads the names only
        typing_context, x, g, w, pairs, first, count, c_in, x_stride, g_offset, g_stride, w_offset, w_stride,  # noqa: ANN001
    ):  # fmt: skip
        signature = types.void(x, g, w, pairs, *[types.int64] * 8)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            arrays = data_of_arrays(context, builder, signature.args[:4], arguments[:4])
            _emit_outer(builder, vectors, channels, arrays, arguments[4:])
            return context.get_dummy_value()

        return signature, generate

    return add_outer


def _emit_outer(builder: ir.IRBuilder, vectors: int, channels: int, arrays: list, numbers: list) -> None:
    x, g, w, pairs = arrays
    first, count, c_in, x_stride, g_offset, g_stride, w_offset, w_stride = numbers
    g, w = builder.gep(g, [g_offset]), builder.gep(w, [w_offset])
    pairs = builder.gep(pairs, [first])
    with cgutils.for_range_slice(builder, INDEX(0), c_in, INDEX(channels), inc=True) as (channel, _):
        w_rows = [row_at(builder, w, builder.add(channel, INDEX(row)), w_stride) for row in range(channels)]
        sums = RegisterTile(builder, w_rows, vectors, align=4)
        x_channel = builder.gep(x, [channel])
        with cgutils.for_range(builder, count) as loop:
            in_row, out_row = rows_of_pair(builder, pairs, loop.index)
            x_row, g_row = row_at(builder, x_channel, in_row, x_stride), row_at(builder, g, out_row, g_stride)
            sums.add_products([builder.gep(x_row, [INDEX(row)]) for row in range(channels)], g_row)
        sums.store()


# As many sums as fit the 32 (AVX2: 16) vector registers beside one row of g.
_MANY_REGISTERS = LANES == 16 or LANES == 4
_add_outer_1 = _outer_products(1, CHANNEL_STEP)
_add_outer_2 = _outer_products(2, CHANNEL_STEP if _MANY_REGISTERS else 4)
_add_outer_3 = _outer_products(3, CHANNEL_STEP if _MANY_REGISTERS else 2)
_add_outer_4 = _outer_products(4, 4 if _MANY_REGISTERS else 2)


@njit(cache=True, nogil=True)
def add_weight_gradient(
    x: np.ndarray,
    g: np.ndarray,
    w_gradient: np.ndarray,
    c_in: int,
    c_out: int,
    panels: np.ndarray,
    pairs: np.ndarray,
    counts: np.ndarray,
    block_rows: int,
    first_block: int,
    last_block: int,
) -> None:
    """Add x[in]^T g[out] to w_gradient[k] for all pairs of some blocks; x, g, w_gradient: flat float32.

    Lengths: N_in * C_in, N_out * C_out, K * C_in * C_out; counts: (blocks, K).
    """
    kernel = counts.shape[1]
    for block in range(first_block, last_block):
        for k in range(kernel):
            count = counts[block, k]
            if count == 0:
                continue
            first = (block * kernel + k) * block_rows
            for panel in range(len(panels)):
                column, vectors = panels[panel]
                w = k * c_in * c_out + column
                if vectors == 1:
                    _add_outer_1(x, g, w_gradient, pairs, first, count, c_in, c_in, column, c_out, w, c_out)
                elif vectors == 2:
                    _add_outer_2(x, g, w_gradient, pairs, first, count, c_in, c_in, column, c_out, w, c_out)
                elif vectors == 3:
                    _add_outer_3(x, g, w_gradient, pairs, first, count, c_in, c_in, column, c_out, w, c_out)
                else:
                    _add_outer_4(x, g, w_gradient, pairs, first, count, c_in, c_in, column, c_out, w, c_out)


def panels_of(columns: int, max_vectors: int) -> np.ndarray:
    """(P, 2) int64: first column and vectors of the panels that cover `columns`, a multiple of LANES."""
    rows = []
    column = 0
    while column < columns:
        vectors = min(max_vectors, (columns - column) // LANES)
        rows.append((column, vectors))
        column += vectors * LANES
    return np.array(rows, np.int64).reshape(-1, 2)
