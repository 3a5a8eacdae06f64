"""Compiled loops of the fused engine: a whole sparse network in one call without the interpreter.

All threads run run_network() over the same arrays and take tasks from shared counters, so a thread that starts late or
loses its core only does less of the work. A task is one block of output rows times one panel of output channels.
"""

import numpy as np
from numba import carray

from lidar_vl_core.engines.cpu.int8_loops import Int8Arrays, add_int8_terms, write_rounded
from lidar_vl_core.engines.cpu.registers import LANES
from lidar_vl_core.engines.cpu.simd import (
    add_products_1,
    add_products_2,
    add_products_3,
    add_products_4,
    fetch_add,
    int32_pointer,
    yield_core,
)
from lidar_vl_core.engines.cpu.vectors import rectify, set_bias, set_sum
from lidar_vl_core.foundation.compiled import compiled

_LISTED_ROWS = 128  # rows of a table of 27 int32: they stay in the first cache while all their offsets are listed

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
        ("first_int8_term", np.int64),
        ("int8_terms", np.int64),
        ("first_rounded", np.int64),  # of the forms in int8 that others read of the answers
        ("rounded", np.int64),
        ("y_offset", np.int64),  # -1: nobody reads the answers in float32
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


@compiled
def run_network(
    tables: np.ndarray,
    layers: np.ndarray,
    panels: np.ndarray,
    terms: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    pairs: np.ndarray,
    pair_counts: np.ndarray,
    progress: np.ndarray,
    int8: Int8Arrays | None,
) -> None:
    """Compute every layer; each thread of an inference calls this with the same arrays.

    tables, layers, panels, terms: records as above. values: float32 activations. weights: float32. pairs: int64, input
    row << 32 | output row. progress: zeros (1 + layers, 2, 8) int64: tasks taken and tasks done, each in its cache line; the
    threads that came are counted behind the first. int8: None for a network in float32, whose loops are compiled without.
    """
    thread = fetch_add(progress, 1, 1)
    tasks = 0
    for table in tables:
        tasks += table.blocks
    while True:
        task = fetch_add(progress, 0, 1)
        if task >= tasks:
            break
        number = 0
        while task >= tables[number].blocks:
            task -= tables[number].blocks
            number += 1
        _list_block(tables[number], task, pairs, pair_counts)
        fetch_add(progress, 8, 1)
    _wait(progress, 8, tasks)
    for number in range(len(layers)):
        layer = layers[number]
        tasks = layer.blocks * layer.panels
        taken = 16 * (number + 1)
        while True:
            task = fetch_add(progress, taken, 1)
            if task >= tasks:
                break
            panel = panels[layer.first_panel + task // layer.blocks]
            _compute_block(layer, panel, task % layer.blocks, terms, values, weights, pairs, pair_counts, thread, int8)
            fetch_add(progress, taken + 8, 1)
        _wait(progress, taken + 8, tasks)


@compiled
def _wait(progress: np.ndarray, index: int, tasks: int) -> None:
    while fetch_add(progress, index, 0) < tasks:
        yield_core()


@compiled
def _list_block(table: np.record, block: int, pairs: np.ndarray, pair_counts: np.ndarray) -> None:
    start = block * table.block_rows
    stop = min(start + table.block_rows, table.rows)
    counts = pair_counts[table.count_offset + block * table.kernel : table.count_offset + (block + 1) * table.kernel]
    lists = pairs[table.list_offset + start * table.kernel :]
    if table.is_up:
        up = carray(int32_pointer(table.address), (table.rows,))
        list_up_pairs(up, table.limit, start, stop, table.block_rows, lists, counts)
    else:
        index = carray(int32_pointer(table.address), (table.rows, table.kernel))
        list_pairs(index, table.limit, start, stop, table.block_rows, lists, counts)


@compiled
def list_pairs(
    index: np.ndarray, limit: int, start: int, stop: int, block_rows: int, pairs: np.ndarray, counts: np.ndarray
) -> None:
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
            count = np.int64(0)
            for row in range(first, first + rows):
                neighbour = index[row, k]
                found[count] = np.int64(neighbour) << 32 | row  # kept only if it exists: nothing to mispredict
                count += np.uint32(neighbour) < np.uint32(limit)
            counts[k] += count


@compiled
def list_up_pairs(
    up: np.ndarray, limit: int, start: int, stop: int, block_rows: int, pairs: np.ndarray, counts: np.ndarray
) -> None:
    """As list_pairs, for a table with one entry per row: parent * 8 + k.

    up: (rows,) int; pairs: (8 * block_rows,) int64, input row and output row in one number; counts: (8,).
    """
    counts[:] = 0
    for row in range(start, stop):
        parent, k = up[row] >> 3, up[row] & 7
        if 0 <= parent < limit:
            pairs[k * block_rows + counts[k]] = np.int64(parent) << 32 | row
            counts[k] += 1


@compiled
def add_products(
    vectors: int, values: np.ndarray, weights: np.ndarray, pairs: np.ndarray, first: int, count: int,
    x_offset: int, x_stride: int, w_offset: int, c_in: int, y_offset: int, y_stride: int,
) -> None:  # fmt: skip
    """y[output row] += x[input row] @ w of `count` pairs, `vectors` registers of columns; flat arrays."""
    if vectors == 1:
        add_products_1(values, weights, pairs, first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride)
    elif vectors == 2:
        add_products_2(values, weights, pairs, first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride)
    elif vectors == 3:
        add_products_3(values, weights, pairs, first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride)
    else:
        add_products_4(values, weights, pairs, first, count, x_offset, x_stride, w_offset, c_in, y_offset, y_stride)


@compiled
def _compute_block(
    layer: np.record,
    panel: np.record,
    block: int,
    terms: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    pairs: np.ndarray,
    pair_counts: np.ndarray,
    thread: int,
    int8: Int8Arrays | None,
) -> None:
    """All work on one panel of channels of one block of rows, from bias to ReLU."""
    start = block * layer.block_rows
    stop = min(start + layer.block_rows, layer.rows)
    y_offset, y_stride = layer.y_offset + panel.column, layer.y_stride
    width = panel.vectors * LANES
    scratch = 0
    if int8 is not None:
        scratch = int8.scratch_offset + thread * int8.scratch_words
        if layer.y_offset < 0:
            y_offset, y_stride = scratch + int8.scratch_words // 2 - start * width, width
    bias, residual = layer.bias_offset + panel.column, layer.residual_offset + panel.column
    for row in range(start, stop):
        for column in range(0, width, LANES):
            y = y_offset + row * y_stride + column
            if layer.residual_offset < 0:
                set_bias(values, y, weights, bias + column)
            else:
                set_sum(values, y, residual + row * layer.residual_stride + column, weights, bias + column)
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
            add_products(
                panel.vectors, values, weights, pairs, first, count,
                term.x_offset, term.x_stride, w_offset, term.c_in, y_offset, y_stride,
            )  # fmt: skip
    if int8 is not None:
        add_int8_terms(layer, panel, block, int8, values, weights, pairs, pair_counts, scratch, y_offset, y_stride)
    if layer.relu:
        for row in range(start, stop):
            for column in range(0, width, LANES):
                rectify(values, y_offset + row * y_stride + column)
    if int8 is not None:
        write_rounded(layer, panel, block, int8, values, y_offset, y_stride)
