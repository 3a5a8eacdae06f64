"""Vector code that numba has no words for, written as LLVM instructions: products in register tiles, atomic counters."""

import re
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _register_shape() -> tuple[int, int, int]:
    """Float32 values per vector register, registers per row of a tile, rows of a tile.

    Rows x registers of sums, one row of weights and one input value must fit in 32 registers, in 16 on AVX2.
    """
    if llvmlite.binding.get_default_triple().startswith(("aarch64", "arm64")):
        return 4, 4, 6
    features = config.CPU_FEATURES  # type: ignore[attr-defined]  # NUMBA_CPU_FEATURES: compile for another processor than this one
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    return (16, 4, 6) if re.search(r"\+avx512f\b", features) else (8, 3, 4)


LANES, MAX_VECTORS, _TILE_ROWS = _register_shape()
_PREFETCHED_LINES = 2  # cache lines of the next input rows; what follows is left to the hardware


def _tile_products(vectors: int) -> Any:  # noqa: ANN401  a numba intrinsic
    """Build the inner loop for panels of `vectors` registers.

    y[output row] += x[input row] @ w for the pairs first .. first + count - 1, some pairs at a time with all their sums in
    registers. The last, incomplete tile repeats its last pair: the same sum is stored several times. Inputs are read where
    they lie: the gather that a BLAS would need costs more than it gains at these widths.

    values holds x and y, weights holds w (c_in, vectors * LANES); all offsets and strides count float32 values.
    """

    @intrinsic
    def add_products(
        typing_context: Any, values: Any, weights: Any, pairs: Any, first: Any, count: Any,  # noqa: ANN401
        x_offset: Any, x_stride: Any, w_offset: Any, c_in: Any, y_offset: Any, y_stride: Any,  # noqa: ANN401
    ) -> Any:  # fmt: skip  # noqa: ANN401
        signature = types.void(values, weights, pairs, *[types.int64] * 8)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            data = [
                context.make_array(kind)(context, builder, array).data
                for kind, array in zip(signature.args[:3], arguments[:3], strict=True)
            ]
            _emit_tiles(builder, vectors, data, arguments[3:])
            return context.get_dummy_value()

        return signature, generate

    return add_products


def _emit_tiles(builder: ir.IRBuilder, vectors: int, arrays: list[ir.Value], numbers: list[ir.Value]) -> None:
    values, weights, pairs = arrays
    first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride = numbers
    index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
    x, y, w = builder.gep(values, [x_offset]), builder.gep(values, [y_offset]), builder.gep(weights, [w_offset])
    pairs = builder.gep(pairs, [first])
    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    lane0 = ir.Constant(ir.IntType(32), 0)
    all_lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    last = builder.sub(count, index(1))

    def rows_of_pair(number: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Pointers to the input and the output row of a pair; past the end, of the last pair."""
        number = builder.select(builder.icmp_signed("<", number, last), number, last)
        pair = builder.load(builder.gep(pairs, [number]))
        x_row, y_row = builder.ashr(pair, index(32)), builder.and_(pair, index(0xFFFFFFFF))
        return builder.gep(x, [builder.mul(x_row, x_stride)]), builder.gep(y, [builder.mul(y_row, y_stride)])

    def vector_at(pointer: ir.Value, number: int) -> ir.Value:
        return builder.gep(builder.bitcast(pointer, vector.as_pointer()), [index(number)])

    with cgutils.for_range_slice(builder, index(0), count, index(_TILE_ROWS), inc=True) as (tile, _):
        rows = [rows_of_pair(builder.add(tile, index(row))) for row in range(_TILE_ROWS)]
        x_rows, y_rows = zip(*rows, strict=True)
        for row in range(_TILE_ROWS):
            next_x_row, _ = rows_of_pair(builder.add(tile, index(row + _TILE_ROWS)))
            for line in range(_PREFETCHED_LINES):
                _emit_prefetch(builder, builder.gep(next_x_row, [index(16 * line)]))
        sums = []
        for row in range(_TILE_ROWS):
            sums.append([cgutils.alloca_once(builder, vector) for _ in range(vectors)])
            for number in range(vectors):
                builder.store(builder.load(vector_at(y_rows[row], number), align=4 * LANES), sums[row][number])
        with cgutils.for_range(builder, c_in) as loop:
            w_row = builder.gep(w, [builder.mul(loop.index, index(vectors * LANES))])
            w_vectors = [builder.load(vector_at(w_row, number), align=4 * LANES) for number in range(vectors)]
            for row in range(_TILE_ROWS):
                scalar = builder.load(builder.gep(x_rows[row], [loop.index]))
                scalar = builder.shuffle_vector(builder.insert_element(undefined, scalar, lane0), undefined, all_lanes)
                for number in range(vectors):
                    total = builder.call(multiply_add, [scalar, w_vectors[number], builder.load(sums[row][number])])
                    builder.store(total, sums[row][number])
        for row in range(_TILE_ROWS):
            for number in range(vectors):
                builder.store(builder.load(sums[row][number]), vector_at(y_rows[row], number), align=4 * LANES)


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
fetch_add: Any = intrinsic(_fetch_add)  # (counters, index, amount): add atomically, return what it was
yield_core: Any = intrinsic(_yield_core)  # let another thread run; POSIX
int32_pointer: Any = intrinsic(_int32_pointer)  # (address)
