"""What a layer in int8 does beside the loops of float32: products summed up in int32, and answers rounded for who reads them.

Only where registers.HAS_VNNI, and compiled only for a network that has such layers.
"""

from typing import NamedTuple

import numpy as np

from lidar_vl_core.engines.cpu.registers import LANES
from lidar_vl_core.engines.cpu.simd import (
    add_int8_products_1,
    add_int8_products_2,
    add_int8_products_3,
    add_int8_products_4,
)
from lidar_vl_core.engines.cpu.vectors import add_scaled, round_to
from lidar_vl_core.foundation.compiled import compiled

INT8_TERM = np.dtype(
    [
        ("x_offset", np.int64),  # of the words of activations
        ("x_stride", np.int64),
        ("fours", np.int64),  # of input channels
        ("kernel", np.int64),
        ("weight_offset", np.int64),  # [panel][kernel, fours, columns of the panel], words of four bytes
        ("scale_offset", np.int64),  # what a step of the sums is worth, float32
        ("shift_offset", np.int64),  # [panel][kernel, columns of the panel], int32 added for each pair; -1: nothing
        ("list_offset", np.int64),
        ("count_offset", np.int64),
    ]
)
ROUNDED = np.dtype(
    [
        ("offset", np.int64),  # of the bytes of activations
        ("stride", np.int64),
        ("steps_per_unit", np.float32),
        ("zero_point", np.int32),
    ]
)


class Int8Arrays(NamedTuple):
    """What run_network() takes for a network with layers in int8: the same memory as its own arrays, and more records."""

    terms: np.ndarray  # INT8_TERM
    rounded: np.ndarray  # ROUNDED, layer after layer
    words: np.ndarray  # `values` as int32
    octets: np.ndarray  # `values` as uint8
    weight_words: np.ndarray  # `weights` as int32
    scratch_offset: (
        int  # words of each thread: first the sums of a block and a panel in int32, then its answers in float32
    )
    scratch_words: int


@compiled
def add_int8_terms(
    layer: np.record,
    panel: np.record,
    block: int,
    int8: Int8Arrays,
    values: np.ndarray,
    weights: np.ndarray,
    pairs: np.ndarray,
    pair_counts: np.ndarray,
    scratch: int,
    y_offset: int,
    y_stride: int,
) -> None:
    """y += scale * (rounded x @ weight), of the rows of a block and the columns of a panel; the sums are exact.

    One-dimensional arrays, as the engine keeps them: rows lie behind one another, at the offsets and strides given.
    """
    start = block * layer.block_rows
    stop = min(start + layer.block_rows, layer.rows)
    width = panel.vectors * LANES
    for number in range(layer.first_int8_term, layer.first_int8_term + layer.int8_terms):
        term = int8.terms[number]
        sums = int8.words[scratch : scratch + (stop - start) * width]
        sums[:] = 0
        for k in range(term.kernel):
            count = stop - start
            if term.count_offset >= 0:
                count = pair_counts[term.count_offset + block * term.kernel + k]
            if count == 0:
                continue
            first = term.list_offset + start * term.kernel + k * layer.block_rows
            if term.shift_offset >= 0:
                shift_offset = term.shift_offset + term.kernel * panel.column + k * width
                shift = int8.weight_words[shift_offset : shift_offset + width]
                _add_shift(shift, pairs[first : first + count], start, sums)
            add_int8_products(
                panel.vectors, int8.words, int8.weight_words, pairs, first, count, term.x_offset, term.x_stride,
                term.weight_offset + term.fours * (term.kernel * panel.column + k * width), term.fours,
                scratch - start * width, width,
            )  # fmt: skip
        scale = term.scale_offset + panel.column
        for row in range(start, stop):
            for column in range(0, width, LANES):
                y, place = y_offset + row * y_stride + column, scratch + (row - start) * width + column
                add_scaled(values, y, int8.words, place, weights, scale + column)


@compiled
def _add_shift(shift: np.ndarray, pairs: np.ndarray, start: int, sums: np.ndarray) -> None:
    width = len(shift)
    for pair in pairs:
        row = (pair & 0xFFFFFFFF) - start
        of_row = sums[row * width : (row + 1) * width]
        for column in range(width):
            of_row[column] += shift[column]


@compiled
def add_int8_products(
    vectors: int, words: np.ndarray, weights: np.ndarray, pairs: np.ndarray, first: int, count: int,
    x_offset: int, x_stride: int, w_offset: int, fours: int, y_offset: int, y_stride: int,
) -> None:  # fmt: skip
    """y[output row] += x[input row] @ w for `count` pairs and `vectors` registers of columns, x and w four bytes a word.

    One-dimensional arrays, as the engine keeps them: rows lie behind one another, at the offsets and strides given.
    """
    if vectors == 1:
        add_int8_products_1(
            words, weights, pairs, first, count, x_offset, x_stride, w_offset, fours, y_offset, y_stride
        )
    elif vectors == 2:
        add_int8_products_2(
            words, weights, pairs, first, count, x_offset, x_stride, w_offset, fours, y_offset, y_stride
        )
    elif vectors == 3:
        add_int8_products_3(
            words, weights, pairs, first, count, x_offset, x_stride, w_offset, fours, y_offset, y_stride
        )
    else:
        add_int8_products_4(
            words, weights, pairs, first, count, x_offset, x_stride, w_offset, fours, y_offset, y_stride
        )


@compiled
def write_rounded(
    layer: np.record,
    panel: np.record,
    block: int,
    int8: Int8Arrays,
    values: np.ndarray,
    y_offset: int,
    y_stride: int,
) -> None:
    """Round the answers of a block and a panel, half to even as ONNX, once for each scale that they are read by.

    One-dimensional arrays, as the engine keeps them: rows lie behind one another, at the offsets and strides given.
    """
    start = block * layer.block_rows
    stop = min(start + layer.block_rows, layer.rows)
    width = panel.vectors * LANES
    for number in range(layer.first_rounded, layer.first_rounded + layer.rounded):
        rounded = int8.rounded[number]
        steps_per_unit, zero_point = rounded.steps_per_unit, rounded.zero_point
        for row in range(start, stop):
            for column in range(0, width, LANES):
                place = rounded.offset + row * rounded.stride + panel.column + column
                y = y_offset + row * y_stride + column
                round_to(int8.octets, place, values, y, steps_per_unit, zero_point)
