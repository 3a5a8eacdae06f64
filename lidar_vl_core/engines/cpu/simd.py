"""Vector code that numba has no words for, written as LLVM instructions: products in register tiles, atomic counters."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lidar_vl_core.engines.cpu.registers import (
    INDEX,
    LANES,
    MAX_VECTORS,
    TILE_ROWS,
    Int8Tile,
    RegisterTile,
    data_of_arrays,
    row_at,
    rows_of_pair,
)

_PREFETCHED_LINES = 2  # cache lines of the next input rows; what follows is left to the hardware


def _tile_products(vectors: int, tile: type[RegisterTile] = RegisterTile) -> Any:  # noqa: ANN401  a numba intrinsic
    """Build the inner loop for panels of `vectors` registers.

    y[output row] += x[input row] @ w for the pairs first .. first + count - 1, some pairs at a time with all their sums in
    registers. The last, incomplete tile repeats its last pair: the same sum is stored several times. Inputs are read where
    they lie: the gather that a BLAS would need costs more than it gains at these widths.

    values holds x and y, weights holds w (c_in, vectors * LANES); all offsets and strides count float32 values. By Int8Tile,
    these are int32: y sums, x four unsigned bytes at a time, w four signed ones, and c_in counts fours of channels.
    """

    @intrinsic
    def add_products(
        typing_context: Any, values: Any, weights: Any, pairs: Any, first: Any, count: Any,  # noqa: ANN401
        x_offset: Any, x_stride: Any, w_offset: Any, c_in: Any, y_offset: Any, y_stride: Any,  # noqa: ANN401
    ) -> Any:  # fmt: skip  # noqa: ANN401
        signature = types.void(values, weights, pairs, *[types.int64] * 8)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            arrays = data_of_arrays(context, builder, signature.args[:3], arguments[:3])
            _emit_tiles(builder, vectors, tile, arrays, arguments[3:])
            return context.get_dummy_value()

        return signature, generate

    return add_products


def _emit_tiles(
    builder: ir.IRBuilder,
    vectors: int,
    tile: type[RegisterTile],
    arrays: list[ir.Value],
    numbers: list[ir.Value],
) -> None:
    values, weights, pairs = arrays
    first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride = numbers
    x, y, w = builder.gep(values, [x_offset]), builder.gep(values, [y_offset]), builder.gep(weights, [w_offset])
    pairs = builder.gep(pairs, [first])
    last = builder.sub(count, INDEX(1))

    def pointers_of_pair(number: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Pointers to the input and the output row of a pair; past the end, of the last pair."""
        number = builder.select(builder.icmp_signed("<", number, last), number, last)
        x_row, y_row = rows_of_pair(builder, pairs, number)
        return row_at(builder, x, x_row, x_stride), row_at(builder, y, y_row, y_stride)

    with cgutils.for_range_slice(builder, INDEX(0), count, INDEX(TILE_ROWS), inc=True) as (pair, _):
        rows = [pointers_of_pair(builder.add(pair, INDEX(row))) for row in range(TILE_ROWS)]
        x_rows, y_rows = zip(*rows, strict=True)
        for row in range(TILE_ROWS):
            next_x_row, _ = pointers_of_pair(builder.add(pair, INDEX(row + TILE_ROWS)))
            for line in range(_PREFETCHED_LINES):
                _emit_prefetch(builder, builder.gep(next_x_row, [INDEX(16 * line)]))
        sums = tile(builder, y_rows, vectors, align=4 * LANES)
        with cgutils.for_range(builder, c_in) as loop:
            w_row = row_at(builder, w, loop.index, INDEX(vectors * LANES))
            sums.add_products([builder.gep(x_row, [loop.index]) for x_row in x_rows], w_row)
        sums.store()


def _emit_prefetch(builder: ir.IRBuilder, pointer: ir.Value) -> None:
    byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32]), "llvm.prefetch.p0"
    )
    builder.call(prefetch, [builder.bitcast(pointer, byte), i32(0), i32(3), i32(1)])  # read, keep in all caches, data


def _fetch_add(typing_context: Any, counters: Any, index: Any, amount: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [arguments[1]]), arguments[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), generate


def _yield_core(typing_context: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        function = ir.FunctionType(ir.IntType(32), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])

    return types.int32(), generate


def _int32_pointer(typing_context: Any, address: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())

    return types.CPointer(types.int32)(types.int64), generate


add_products_1 = _tile_products(1)
add_products_2 = _tile_products(2)
add_products_3 = _tile_products(3)
add_products_4 = _tile_products(MAX_VECTORS)  # never asked for 4 where the registers have room for 3 only
add_int8_products_1 = _tile_products(1, Int8Tile)
add_int8_products_2 = _tile_products(2, Int8Tile)
add_int8_products_3 = _tile_products(3, Int8Tile)
add_int8_products_4 = _tile_products(MAX_VECTORS, Int8Tile)
fetch_add: Any = intrinsic(_fetch_add)  # (counters, index, amount): add atomically, return what it was
yield_core: Any = intrinsic(_yield_core)  # let another thread run; POSIX
int32_pointer: Any = intrinsic(_int32_pointer)  # (address)
