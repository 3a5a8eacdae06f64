"""Where the fused engine keeps things: activations in reused slots, weights packed in the order the inner loop reads them."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.engines.cpu.plan import FusedPlan, Int8Term, Rounded
from lidar_vl_core.sparse_model.onnx_form import FEATURES

ZERO_POINT = 128  # added to rounded values that can be negative: products take one factor without a sign

Value = str | Rounded  # an activation, in float32 or in int8


@dataclass(frozen=True)
class Slot:
    """Memory for one activation at a time: rows of `level`, at most `stride` words of 4 bytes each."""

    level: int
    stride: int


@dataclass(frozen=True)
class SlotPlan:
    """Which activation lives in which slot; the features always live in slot 0."""

    slots: tuple[Slot, ...]
    of_value: dict[Value, int]  # without those that are read in int8 only
    stride: dict[Value, int]  # words from row to row


@dataclass(frozen=True)
class PackedWeights:
    """All weights of a plan in one array, and where each layer and term finds its own."""

    values: np.ndarray  # (W,) float32, starts on a cache line; words of four int8 or one int32 are among them
    panels: np.ndarray  # (P, 2) int64: first column and vectors of each panel, layer after layer
    panel_counts: np.ndarray  # (L,) int64
    bias_offsets: np.ndarray  # (L,) int64
    term_offsets: np.ndarray  # (T,) int64, terms of all layers one after another
    int8_offsets: np.ndarray  # (I, 3) int64, int8 terms of all layers: weights, what a step is worth, shift or -1


def plan_slots(plan: FusedPlan, in_channels: int, lanes: int) -> SlotPlan:
    """Give every activation a slot such that no two that are needed at the same time share one."""
    last_use: dict[Value, int] = {}
    for number, layer in enumerate(plan.layers):
        last_use |= dict.fromkeys([*layer.inputs, *layer.int8_inputs], number)
    last_use[plan.output] = len(plan.layers)
    rounded = [value for value in last_use if isinstance(value, Rounded)]
    stride: dict[Value, int] = {FEATURES: padded(in_channels, lanes)}
    of_value: dict[Value, int] = {FEATURES: 0}
    slots, free_after = [Slot(0, stride[FEATURES])], [last_use.get(FEATURES, -1)]
    for number, layer in enumerate(plan.layers):
        # Values in int8 begin with the first of the layers that write side by side in them.
        written = [value for value in rounded if value not in of_value and columns_of(value, layer.output, lanes)]
        sizes: dict[Value, int] = {value: rounded_width(value, lanes) // 4 for value in written}
        if layer.output in last_use or not written:
            sizes[layer.output] = padded(len(layer.bias), lanes)
        for value, size in sizes.items():
            free = [
                slot for slot, after in enumerate(free_after) if after < number and slots[slot].level == layer.level
            ]
            if free:
                slot = min(free, key=lambda slot: (slots[slot].stride < size, abs(slots[slot].stride - size)))
            else:
                slot = len(slots)
                slots.append(Slot(layer.level, size))
                free_after.append(number)
            slots[slot] = Slot(layer.level, max(slots[slot].stride, size))
            free_after[slot], of_value[value], stride[value] = last_use.get(value, number), slot, size
    return SlotPlan(tuple(slots), of_value, stride)


def columns_of(rounded: Rounded, name: str, lanes: int) -> list[int]:
    """Where a value begins, in bytes, in the rows it is written to side by side with others; empty if it is not."""
    widths = [padded(channels, lanes) for _, channels in rounded.parts]
    return [sum(widths[:place]) for place, (part, _) in enumerate(rounded.parts) if part == name]


def rounded_width(rounded: Rounded, lanes: int) -> int:
    """Bytes of a row, each value in it beginning with a full vector."""
    return sum(padded(channels, lanes) for _, channels in rounded.parts)


def pack_weights(plan: FusedPlan, lanes: int, max_vectors: int) -> PackedWeights:
    """Cut each layer's output channels in panels that fit the registers; channels are padded with zeros to full vectors."""
    pieces: list[np.ndarray] = []
    panels, panel_counts, bias_offsets, term_offsets, int8_offsets = [], [], [], [], []
    used = 0

    def packed(array: np.ndarray) -> int:
        nonlocal used
        pieces.append(array.ravel().view(np.float32))
        used += array.size
        return used - array.size

    unsigned = {layer.output for layer in plan.layers if layer.relu}
    for layer in plan.layers:
        layer_panels = _panels(len(layer.bias), lanes, max_vectors)
        panels += layer_panels
        panel_counts.append(len(layer_panels))
        width = padded(len(layer.bias), lanes)

        def by_panels(weight: np.ndarray, parts: list[tuple[int, int]] = layer_panels) -> np.ndarray:
            """(K, C_in, width) as [panel][K, C_in, columns of the panel]."""
            return np.concatenate([weight[:, :, c : c + vectors * lanes].ravel() for c, vectors in parts])

        bias_offsets.append(packed(_wide(layer.bias, width)))
        term_offsets += [packed(by_panels(_wide(term.weight, width))) for term in layer.terms]
        for term in layer.int8_terms:
            weight = _wide(rows_of_parts(term, lanes), width)
            shift = -ZERO_POINT * _signed_sums(term, weight, unsigned, lanes)
            offsets = packed(by_panels(fours(weight))), packed(_wide(term.scale, width))
            int8_offsets.append((*offsets, packed(by_panels(shift)) if shift.any() else -1))
    values = aligned_empty(used, np.float32)
    if pieces:
        np.concatenate([piece.view(np.int32) for piece in pieces], out=values.view(np.int32))
    return PackedWeights(
        values,
        np.array(panels, np.int64).reshape(-1, 2),
        np.array(panel_counts, np.int64),
        np.array(bias_offsets, np.int64),
        np.array(term_offsets, np.int64),
        np.array(int8_offsets, np.int64).reshape(-1, 3),
    )


def rows_of_parts(term: Int8Term, lanes: int) -> np.ndarray:
    """The weight (K, C_in, C_out) with rows of zeros where the rounded values are padded."""
    pieces, start = [], 0
    for _, channels in term.x.parts:
        rows = term.weight[:, start : start + channels]
        pieces.append(np.pad(rows, ((0, 0), (0, padded(channels, lanes) - channels), (0, 0))))
        start += channels
    return np.concatenate(pieces, axis=1)


def fours(weight: np.ndarray) -> np.ndarray:
    """(K, C_in, C) int8 as (K, C_in / 4, C) int32: four rows of a column are a word."""
    kernel, rows, columns = weight.shape
    by_column = weight.reshape(kernel, rows // 4, 4, columns).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(by_column).view(np.int32)[..., 0]


def _signed_sums(term: Int8Term, weight: np.ndarray, unsigned: set[str], lanes: int) -> np.ndarray:
    """(K, 1, C) int32: sums of the weights whose inputs can be negative, which are stored with ZERO_POINT added."""
    signed = np.concatenate([np.full(padded(width, lanes), name not in unsigned) for name, width in term.x.parts])
    return np.asarray(weight[:, signed].astype(np.int32).sum(axis=1, dtype=np.int32, keepdims=True))


def _wide(array: np.ndarray, width: int) -> np.ndarray:
    """With zeros behind the last channel."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])])


def padded(channels: int, lanes: int) -> int:
    """Channels in memory: full vectors."""
    return -(-channels // lanes) * lanes


def aligned_empty(length: int, dtype: type) -> np.ndarray:
    """An uninitialised array, (length,), that starts on a 64-byte cache line."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.empty(length * itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + length * itemsize].view(dtype)


def _panels(channels: int, lanes: int, max_vectors: int) -> list[tuple[int, int]]:
    """(first column, vectors) of panels as equal as can be: 5 vectors are 3 + 2, not 4 + 1."""
    vectors = padded(channels, lanes) // lanes
    count = -(-vectors // max_vectors)
    sizes = [vectors // count + (number < vectors % count) for number in range(count)]
    return [(sum(sizes[:number]) * lanes, size) for number, size in enumerate(sizes)]
