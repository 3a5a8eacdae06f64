"""Compiled loop of PromptHead: products with the folded matrix, and the answers, of a block of rows while both are in the cache.

A block lies transposed, a row of voxels per feature and per prompt, so that every step is the same for neighbours in memory.
"""

import math

import numpy as np

from lidar_vl_core.engines.cpu.kernels import add_products
from lidar_vl_core.engines.cpu.registers import LANES, MAX_VECTORS
from lidar_vl_core.foundation.compiled import compiled

BLOCK_ROWS = MAX_VECTORS * LANES  # the widest panel of products that the registers hold
GROUP_COLUMNS = 12  # of the triangle: its zeros are skipped in steps of these; two tiles of the product
_NO_ANSWER = np.uint8(255)  # class_table.IGNORE_ID
_LOG2_E = np.float32(1.4426950408889634)
_LEAST_EXPONENT = np.float32(-126.0)  # of a normal float32; below it an exponential counts as this
_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
# 2^x on -0.5..0.5: Taylor's series, good to 2e-7
_C1, _C2, _C3, _C4, _C5, _C6 = (np.float32(math.log(2.0) ** k / math.factorial(k)) for k in range(1, 7))


@compiled
def label_rows(
    features: np.ndarray, matrix: np.ndarray, bias: np.ndarray, first_prompt: np.ndarray, sinks_from: int,
    offset: float, logit_scale: float, threshold: float, first_row: int, last_row: int,
    panel: np.ndarray, values: np.ndarray, best: np.ndarray, probability: np.ndarray,
) -> None:  # fmt: skip
    """Write best (M,) uint8 and probability (M,) float32 of the rows first_row .. last_row.

    features: (M, F). matrix: (P + R, F) float32, a row per prompt, then the upper triangle whose product has the length of
    the embedding. bias: (P + R,). first_prompt: (K + 1,) prompts of each class, P behind the last. panel: (F * BLOCK_ROWS,)
    and values: room for the matrix and (P + R, BLOCK_ROWS) products; both 64-byte aligned float32.
    """
    columns, channels = matrix.shape
    classes, prompts = len(first_prompt) - 1, first_prompt[-1]
    products = len(values) - columns * BLOCK_ROWS
    y = values[products:].reshape(columns, BLOCK_ROWS)
    x = panel.reshape(channels, BLOCK_ROWS)
    values[: columns * channels] = matrix.ravel()
    pairs = np.arange(columns) * np.int64((1 << 32) + 1)
    length = np.empty(BLOCK_ROWS, np.float32)
    for start in range(first_row, last_row, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, last_row - start)
        x[:] = _ZERO
        for row in range(rows):
            for channel in range(channels):
                x[channel, row] = features[start + row, channel]
        for column in range(columns):
            for row in range(BLOCK_ROWS):
                y[column, row] = bias[column]
        add_products(
            MAX_VECTORS, values, panel, pairs, 0, prompts,
            0, channels, 0, channels, products, BLOCK_ROWS,
        )  # fmt: skip
        for skipped in range(0, columns - prompts, GROUP_COLUMNS):
            add_products(
                MAX_VECTORS, values, panel, pairs, prompts + skipped, min(GROUP_COLUMNS, columns - prompts - skipped),
                skipped, channels, skipped * BLOCK_ROWS, channels - skipped, products, BLOCK_ROWS,
            )  # fmt: skip
        _lengths(y[prompts:], np.float32(offset), length)
        for k in range(classes):
            _keep_best(y, first_prompt[k], first_prompt[k + 1], k)
        _answer(
            y[:classes], length, np.float32(logit_scale), sinks_from, np.float32(threshold),
            best[start : start + rows], probability[start : start + rows],
        )  # fmt: skip


@compiled
def _lengths(y: np.ndarray, offset: np.float32, length: np.ndarray) -> None:
    """Length of each row's embedding, from the products with the triangle."""
    for row in range(BLOCK_ROWS):
        length[row] = offset
    for column in range(len(y)):
        for row in range(BLOCK_ROWS):
            length[row] += y[column, row] * y[column, row]
    for row in range(BLOCK_ROWS):
        length[row] = np.sqrt(length[row])


@compiled
def _keep_best(y: np.ndarray, first: int, last: int, k: int) -> None:
    """Put the largest product of a class's prompts into row k, which is none of a later class's prompts."""
    if first != k:
        for row in range(BLOCK_ROWS):
            y[k, row] = y[first, row]
    for prompt in range(first + 1, last):
        for row in range(BLOCK_ROWS):
            y[k, row] = y[prompt, row] if y[prompt, row] > y[k, row] else y[k, row]


@compiled
def _answer(
    y: np.ndarray, length: np.ndarray, logit_scale: np.float32, sinks_from: int, threshold: np.float32,
    best: np.ndarray, probability: np.ndarray,
) -> None:  # fmt: skip
    """Best class and softmax of a block; the exponential is 2^whole * 2^fraction."""
    largest, winner = np.empty(BLOCK_ROWS, np.float32), np.zeros(BLOCK_ROWS, np.float32)
    scale, odds = np.empty(BLOCK_ROWS, np.float32), np.zeros(BLOCK_ROWS, np.float32)
    power, bits = np.empty(BLOCK_ROWS, np.float32), np.empty(BLOCK_ROWS, np.int32)
    two_to_whole = bits.view(np.float32)
    for row in range(BLOCK_ROWS):
        largest[row] = y[0, row]
        scale[row] = logit_scale * _LOG2_E / length[row] if length[row] > _ZERO else _ZERO
    for k in range(1, len(y)):
        for row in range(BLOCK_ROWS):
            better = y[k, row] > largest[row]
            winner[row] = np.float32(k) if better else winner[row]
            largest[row] = y[k, row] if better else largest[row]
    for k in range(len(y)):
        for row in range(BLOCK_ROWS):
            x = scale[row] * (y[k, row] - largest[row])
            x = x if x > _LEAST_EXPONENT else _LEAST_EXPONENT
            whole = np.int32(x - _HALF)  # towards zero: the nearest, as x is not positive
            bits[row] = (whole + 127) << 23
            power[row] = x - np.float32(whole)
        for row in range(BLOCK_ROWS):
            x = power[row]
            series = _C1 + x * (_C2 + x * (_C3 + x * (_C4 + x * (_C5 + x * _C6))))
            odds[row] += (_ONE + x * series) * two_to_whole[row]
    for row in range(len(best)):
        sure = _ONE / odds[row]
        answered = _ZERO < length[row] < np.inf and winner[row] < sinks_from and sure >= threshold  # no NaN is
        best[row] = np.uint8(winner[row]) if answered else _NO_ANSWER
        probability[row] = sure if answered else _ZERO
