"""Compiled loop of PromptHead: products with the folded matrix and the answers of a block of rows while both are in the cache."""

import math

import numpy as np
from numba import njit

from lidar_vl_core.compiled import compiled
from lidar_vl_core.fused_kernels import add_products

_NO_ANSWER = np.uint8(255)  # labels.IGNORE_ID
_LOG2_E = np.float32(1.4426950408889634)
_LEAST_EXPONENT = np.float32(-126.0)  # of a normal float32; below it an exponential counts as this
_NEVER = np.float32(-1e30)  # product of a prompt that is none
# 2^x on -0.5..0.5: Taylor's series, good to 2e-7
_POWERS_OF_LN2 = tuple(np.float32(math.log(2.0) ** k / math.factorial(k)) for k in range(1, 7))
_C1, _C2, _C3, _C4, _C5, _C6 = _POWERS_OF_LN2


@compiled
def label_rows(
    features: np.ndarray, weights: np.ndarray, bias: np.ndarray, panels: np.ndarray, pairs: np.ndarray,
    class_of_prompt: np.ndarray, classes: int, sinks_from: int, offset: float, logit_scale: float, threshold: float,
    first_row: int, last_row: int, values: np.ndarray, logits: np.ndarray, best: np.ndarray, probability: np.ndarray,
) -> None:  # fmt: skip
    """Write best (M,) uint8 and probability (M,) float32 of the rows first_row .. last_row.

    features: (M, F). panels: (., 5) first column, vectors, first feature, features, place in `weights`. bias: (W,), a row of
    products before any feature. pairs: (block,) i * (2^32 + 1). values: room for a block of features and of products, 64-byte
    aligned. logits: (L,) float32 room for the classes, a multiple of 16.
    """
    channels, width, block = features.shape[1], len(bias), len(pairs)
    products = block * channels + (-(block * channels)) % 16  # rows of products start on a cache line
    prompts = len(class_of_prompt)
    norm_from = prompts + (-prompts) % 16  # between them no prompts: their products are far below any other
    padded_classes = len(logits)
    exponents = np.empty(padded_classes, np.int32)
    powers = exponents.view(np.float32)
    for start in range(first_row, last_row, block):
        rows = min(block, last_row - start)
        for row in range(rows):
            for channel in range(channels):
                values[row * channels + channel] = features[start + row, channel]
            for column in range(width):
                values[products + row * width + column] = bias[column]
        for panel in range(len(panels)):
            column, vectors, first, count, place = panels[panel]
            add_products(
                vectors, values, weights, pairs, 0, rows,
                first, channels, place, count, products + column, width,
            )  # fmt: skip
        for row in range(rows):
            y = products + row * width
            length = np.float32(math.sqrt(_sum_of_squares(values, y + norm_from, y + width) + offset))
            best[start + row], probability[start + row] = _NO_ANSWER, np.float32(0.0)
            if not (length > 0.0 and length < np.inf):  # not of NaN either
                continue
            if prompts != classes:
                _keep_best_prompts(values, y, class_of_prompt, classes, logits)
            largest = _largest(values, y, y + padded_classes)
            scale = np.float32(logit_scale / length)
            odds = _sum_of_exponentials(values, y, y + padded_classes, largest, scale, exponents, powers)
            winner = 0
            while values[y + winner] < largest:
                winner += 1
            sure = np.float32(1.0) / odds
            if winner < sinks_from and sure >= threshold:
                best[start + row], probability[start + row] = np.uint8(winner), sure


@compiled
def _keep_best_prompts(
    values: np.ndarray, y: int, class_of_prompt: np.ndarray, classes: int, logits: np.ndarray
) -> None:
    """Replace the products of a row's prompts by the largest of each class."""
    for k in range(len(logits)):
        logits[k] = _NEVER
    for prompt in range(len(class_of_prompt)):
        k = class_of_prompt[prompt]
        logits[k] = max(logits[k], values[y + prompt])
    for k in range(len(logits)):
        values[y + k] = logits[k]


def _reordered(loop):  # noqa: ANN001, ANN202  a numba dispatcher
    """Compile with sums and maxima in any order, of numbers that are none of them NaN: what vector registers need."""
    return njit(nogil=True, fastmath={"reassoc", "contract", "nsz", "nnan"})(loop)


@_reordered
def _sum_of_squares(values, first, last):  # noqa: ANN001, ANN202
    total = np.float32(0.0)
    for i in range(first, last):
        total += values[i] * values[i]
    return total


@_reordered
def _largest(values, first, last):  # noqa: ANN001, ANN202
    largest = values[first]
    for i in range(first + 1, last):
        largest = max(largest, values[i])
    return largest


@_reordered
def _sum_of_exponentials(values, first, last, largest, scale, exponents, powers):  # noqa: ANN001, ANN202
    """Sum of exp(scale * (value - largest)), as 2^whole * 2^fraction; overwrites `exponents`, the same memory as `powers`."""
    scale *= _LOG2_E
    count = last - first
    for i in range(count):
        power = max(scale * (values[first + i] - largest), _LEAST_EXPONENT)
        whole = np.int32(power - np.float32(0.5))  # towards zero: the nearest, as no power is positive
        exponents[i] = (whole + 127) << 23
    total = np.float32(0.0)
    for i in range(count):
        power = max(scale * (values[first + i] - largest), _LEAST_EXPONENT)
        x = power - np.float32(np.int32(power - np.float32(0.5)))
        series = _C1 + x * (_C2 + x * (_C3 + x * (_C4 + x * (_C5 + x * _C6))))
        total += (np.float32(1.0) + x * series) * powers[i]
    return total
