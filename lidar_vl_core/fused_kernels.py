"""Compiled loops of the fused engine: a whole sparse network in one call without the interpreter.

All threads run run_network() over the same arrays and take tasks from shared counters, so a thread that starts late or
loses its core only does less of the work. A task is one block of output rows times one panel of output channels.
"""

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_CPU = llvmlite.binding.get_host_cpu_features()
_WIDE = bool(_CPU.get("avx512f"))
_ARM = llvmlite.binding.get_default_triple().startswith("aarch64")

LANES = 16 if _WIDE else 4 if _ARM else 8  # float32 values per vector register
MAX_VECTORS = 4 if _WIDE or _ARM else 3  # widest panel, in registers
_TILE_ROWS = (
    6 if _WIDE or _ARM else 4
)  # rows x vectors of sums + one row of weights + 1 must fit in 32 (AVX2: 16) registers

_PREFETCHED_LINES = 2  # of the next input rows; what follows is left to the hardware
_LISTED_ROWS = (
    128  # rows of a neighbour table (27 int32 each) that stay in the first cache while all offsets are listed
)

TABLE = np.dtype(
    [
        ("address", np.int64),  # of the int32 table
        ("rows", np.int64),
        ("kernel", np.int64),  # neighbours per row
        ("is_up", np.int64),  # 1: one entry per row, parent * 8 + k
        ("limit", np.int64),  # rows of the input; an index outside it is a missing neighbour
        ("blocks", np.int64),
        ("block_rows", np.int64),
        ("list_offset", np.int64),  # its pair lists: [blocks, kernel, block_rows]
        ("count_offset", np.int64),  # its pair counts: [blocks, kernel]
    ]
)
LAYER = np.dtype(
    [
        ("rows", np.int64),
        ("blocks", np.int64),
        ("block_rows", np.int64),
        ("first_panel", np.int64),
        ("panels", np.int64),
        ("first_term", np.int64),
        ("terms", np.int64),
        ("y_offset", np.int64),
        ("y_stride", np.int64),
        ("bias_offset", np.int64),
        ("residual_offset", np.int64),  # -1: none
        ("residual_stride", np.int64),
        ("relu", np.int64),
    ]
)
PANEL = np.dtype([("column", np.int64), ("vectors", np.int64)])
TERM = np.dtype(
    [
        ("x_offset", np.int64),
        ("x_stride", np.int64),
        ("c_in", np.int64),
        ("kernel", np.int64),
        ("weight_offset", np.int64),  # [panel][kernel, c_in, columns of the panel]
        ("list_offset", np.int64),
        ("count_offset", np.int64),  # -1: every row is paired with itself
    ]
)


def _tile_products(vectors: int):  # noqa: ANN202  a numba intrinsic
    """Build the inner loop for panels of `vectors` registers.

    y[output row] += x[input row] @ w for the pairs first .. first + count, six pairs at a time with all sums in registers. A last,
    incomplete tile repeats its last pair: the same sum is stored several times. It reads inputs where they lie; a
    gather first, as a BLAS would need it, costs more than it gains at these widths.
    """

    @intrinsic
    def add_products(  # noqa: ANN202
        typing_context, values, weights, pairs, first, count,  # noqa: ANN001
        x_offset, x_stride, w_offset, c_in, y_offset, y_stride,  # noqa: ANN001
    ):  # fmt: skip
        signature = types.void(values, weights, pairs, *[types.int64] * 8)

        def generate(context, builder, signature, arguments):  # noqa: ANN001, ANN202
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


add_products_1 = _tile_products(1)
add_products_2 = _tile_products(2)
add_products_3 = _tile_products(3)
add_products_4 = _tile_products(MAX_VECTORS)  # never called with 4 where a register file has room for 3 only


@intrinsic
def _fetch_add(typing_context, counters, index, amount):  # noqa: ANN001, ANN202
    """Add to counters[index] atomically and return what it was."""

    def generate(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [arguments[1]]), arguments[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), generate


@intrinsic
def _yield_core(typing_context):  # noqa: ANN001, ANN202
    """Let another thread run; POSIX."""

    def generate(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        function = ir.FunctionType(ir.IntType(32), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])

    return types.int32(), generate


@intrinsic
def _int32_pointer(typing_context, address):  # noqa: ANN001, ANN202
    def generate(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        return builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())

    return types.CPointer(types.int32)(types.int64), generate


@njit(cache=True, nogil=True)
def run_network(tables, layers, panels, terms, values, weights, pairs, pair_counts, progress):  # noqa: ANN001, ANN201
    """Compute every layer; each thread of an inference calls this with the same arrays.

    tables, layers, panels, terms: records as above. values: float32 activations; weights: float32; pairs: int64, input row << 32 | output row.
    progress: zeros (1 + layers, 2, 8) int64, tasks taken and tasks done, each on its own cache line.
    """
    tasks = 0
    for table in tables:
        tasks += table.blocks
    while True:
        task = _fetch_add(progress, 0, 1)
        if task >= tasks:
            break
        number = 0
        while task >= tables[number].blocks:
            task -= tables[number].blocks
            number += 1
        _list_block(tables[number], task, pairs, pair_counts)
        _fetch_add(progress, 8, 1)
    _wait(progress, 8, tasks)
    for number in range(len(layers)):
        layer = layers[number]
        tasks = layer.blocks * layer.panels
        taken = 16 * (number + 1)
        while True:
            task = _fetch_add(progress, taken, 1)
            if task >= tasks:
                break
            panel = panels[layer.first_panel + task // layer.blocks]
            _compute_block(layer, panel, task % layer.blocks, terms, values, weights, pairs, pair_counts)
            _fetch_add(progress, taken + 8, 1)
        _wait(progress, taken + 8, tasks)


@njit(cache=True, nogil=True)
def _wait(progress, index, tasks):  # noqa: ANN001, ANN202
    while _fetch_add(progress, index, 0) < tasks:
        _yield_core()


@njit(cache=True, nogil=True)
def _list_block(table, block, pairs, pair_counts):  # noqa: ANN001, ANN202
    start = block * table.block_rows
    stop = min(start + table.block_rows, table.rows)
    counts = pair_counts[table.count_offset + block * table.kernel : table.count_offset + (block + 1) * table.kernel]
    lists = pairs[table.list_offset + start * table.kernel :]
    if table.is_up:
        up = carray(_int32_pointer(table.address), (table.rows,))
        list_up_pairs(up, table.limit, start, stop, table.block_rows, lists, counts)
    else:
        index = carray(_int32_pointer(table.address), (table.rows, table.kernel))
        list_pairs(index, table.limit, start, stop, table.block_rows, lists, counts)


@njit(cache=True, nogil=True)
def list_pairs(index, limit, start, stop, block_rows, pairs, counts):  # noqa: ANN001, ANN201
    """Write which input row meets which of the output rows start..stop, per kernel offset; the missing are left out.

    index: (rows, K) int32. pairs: int64, input row << 32 | output row; the list of offset k begins at k * block_rows.
    counts: (K,), length of each list.
    """
    counts[:] = 0
    for first in range(start, stop, _LISTED_ROWS):
        rows = min(_LISTED_ROWS, stop - first)
        for k in range(index.shape[1]):
            position = k * block_rows + counts[k]
            found = pairs[position : position + rows]
            count = 0
            for row in range(first, first + rows):
                neighbour = index[row, k]
                found[count] = np.int64(neighbour) << 32 | row  # kept only if it exists: nothing to mispredict
                count += np.uint32(neighbour) < np.uint32(limit)
            counts[k] += count


@njit(cache=True, nogil=True)
def list_up_pairs(up, limit, start, stop, block_rows, pairs, counts):  # noqa: ANN001, ANN201
    """As list_pairs, for a table with one entry per row: parent * 8 + k."""
    counts[:] = 0
    for row in range(start, stop):
        parent, k = up[row] >> 3, up[row] & 7
        if 0 <= parent < limit:
            pairs[k * block_rows + counts[k]] = np.int64(parent) << 32 | row
            counts[k] += 1


@njit(cache=True, nogil=True)
def _compute_block(layer, panel, block, terms, values, weights, pairs, pair_counts):  # noqa: ANN001, ANN202
    """All work on one panel of channels of one block of rows, from bias to ReLU."""
    start = block * layer.block_rows
    stop = min(start + layer.block_rows, layer.rows)
    y_offset = layer.y_offset + panel.column
    width = panel.vectors * LANES
    bias = weights[layer.bias_offset + panel.column : layer.bias_offset + panel.column + width]
    for row in range(start, stop):
        y = values[y_offset + row * layer.y_stride : y_offset + row * layer.y_stride + width]
        if layer.residual_offset < 0:
            for column in range(width):
                y[column] = bias[column]
        else:
            residual_start = layer.residual_offset + row * layer.residual_stride + panel.column
            residual = values[residual_start : residual_start + width]
            for column in range(width):
                y[column] = bias[column] + residual[column]
    for number in range(layer.first_term, layer.first_term + layer.terms):
        term = terms[number]
        for k in range(term.kernel):
            count = stop - start
            if term.count_offset >= 0:
                count = pair_counts[term.count_offset + block * term.kernel + k]
            if count == 0:
                continue
            first = term.list_offset + start * term.kernel + k * layer.block_rows
            w_offset = term.weight_offset + term.c_in * (term.kernel * panel.column + k * width)
            if panel.vectors == 1:
                add_products_1(values, weights, pairs, first, count, term.x_offset, term.x_stride, w_offset, term.c_in, y_offset, layer.y_stride)  # fmt: skip
            elif panel.vectors == 2:
                add_products_2(values, weights, pairs, first, count, term.x_offset, term.x_stride, w_offset, term.c_in, y_offset, layer.y_stride)  # fmt: skip
            elif panel.vectors == 3:
                add_products_3(values, weights, pairs, first, count, term.x_offset, term.x_stride, w_offset, term.c_in, y_offset, layer.y_stride)  # fmt: skip
            else:
                add_products_4(values, weights, pairs, first, count, term.x_offset, term.x_stride, w_offset, term.c_in, y_offset, layer.y_stride)  # fmt: skip
    if layer.relu:
        for row in range(start, stop):
            y = values[y_offset + row * layer.y_stride : y_offset + row * layer.y_stride + width]
            for column in range(width):
                y[column] = max(y[column], np.float32(0.0))
