"""Compiled loops of the CPU training convolution: pair lists in blocks, products forward, products for the weight gradient."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lidar_vl_core.engines.cpu.kernels import add_products, list_pairs, list_up_pairs
from lidar_vl_core.engines.cpu.simd import LANES

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
    """As list_blocks, for a table with one entry per row: parent * 8 + k."""
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
            data = [
                context.make_array(kind)(context, builder, array).data
                for kind, array in zip(signature.args[:4], arguments[:4], strict=True)
            ]
            _emit_outer(builder, vectors, channels, data, arguments[4:])
            return context.get_dummy_value()

        return signature, generate

    return add_outer


def _emit_outer(builder: ir.IRBuilder, vectors: int, channels: int, arrays: list, numbers: list) -> None:
    x, g, w, pairs = arrays
    first, count, c_in, x_stride, g_offset, g_stride, w_offset, w_stride = numbers
    index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
    g, w = builder.gep(g, [g_offset]), builder.gep(w, [w_offset])
    pairs = builder.gep(pairs, [first])
    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    lane0 = ir.Constant(ir.IntType(32), 0)
    all_lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    undefined = ir.Constant(vector, ir.Undefined)

    def vector_at(pointer: ir.Value, number: int) -> ir.Value:
        return builder.gep(builder.bitcast(pointer, vector.as_pointer()), [index(number)])

    with cgutils.for_range_slice(builder, index(0), c_in, index(channels), inc=True) as (channel, _):
        sums, w_rows = [], []
        for row in range(channels):
            w_rows.append(builder.gep(w, [builder.mul(builder.add(channel, index(row)), w_stride)]))
            sums.append([cgutils.alloca_once(builder, vector) for _ in range(vectors)])
            for number in range(vectors):
                builder.store(builder.load(vector_at(w_rows[row], number), align=4), sums[row][number])
        x_channel = builder.gep(x, [channel])
        with cgutils.for_range(builder, count) as loop:
            pair = builder.load(builder.gep(pairs, [loop.index]))
            in_row, out_row = builder.ashr(pair, index(32)), builder.and_(pair, index(0xFFFFFFFF))
            x_row = builder.gep(x_channel, [builder.mul(in_row, x_stride)])
            g_row = builder.gep(g, [builder.mul(out_row, g_stride)])
            g_vectors = [builder.load(vector_at(g_row, number), align=4) for number in range(vectors)]
            for row in range(channels):
                scalar = builder.load(builder.gep(x_row, [index(row)]))
                scalar = builder.shuffle_vector(builder.insert_element(undefined, scalar, lane0), undefined, all_lanes)
                for number in range(vectors):
                    total = builder.call(multiply_add, [scalar, g_vectors[number], builder.load(sums[row][number])])
                    builder.store(total, sums[row][number])
        for row in range(channels):
            for number in range(vectors):
                builder.store(builder.load(sums[row][number]), vector_at(w_rows[row], number), align=4)


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
    """Add x[in]^T g[out] to w_gradient[k] for all pairs of some blocks; x, g, w_gradient: flat float32."""
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
