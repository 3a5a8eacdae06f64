"""Where the fused engine keeps things: activations in reused slots, weights packed in the order the inner loop reads them."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.engines.cpu.plan import FusedPlan
from lidar_vl_core.sparse_model.onnx_form import FEATURES


@dataclass(frozen=True)
class Slot:
    """Memory for one activation at a time: rows of `level`, `stride` float32 values each."""

    level: int
    stride: int


@dataclass(frozen=True)
class SlotPlan:
    """Which activation lives in which slot; the features always live in slot 0."""

    slots: tuple[Slot, ...]
    of_value: dict[str, int]


@dataclass(frozen=True)
class PackedWeights:
    """All weights of a plan in one array, and where each layer and term finds its own."""

    values: np.ndarray  # (W,) float32, starts on a cache line
    panels: np.ndarray  # (P, 2) int64: first column and vectors of each panel, layer after layer
    panel_counts: np.ndarray  # (L,) int64
    bias_offsets: np.ndarray  # (L,) int64
    term_offsets: np.ndarray  # (T,) int64, terms of all layers one after another


def plan_slots(plan: FusedPlan, in_channels: int, lanes: int) -> SlotPlan:
    """Give every activation a slot such that no two that are needed at the same time share one."""
    last_use = {name: number for number, layer in enumerate(plan.layers) for name in layer.inputs}
    last_use[plan.output] = len(plan.layers)
    strides, levels = [padded(in_channels, lanes)], [0]
    of_value, free_after = {FEATURES: 0}, [last_use.get(FEATURES, -1)]
    for number, layer in enumerate(plan.layers):
        stride = padded(len(layer.bias), lanes)
        free = [slot for slot, after in enumerate(free_after) if after < number and levels[slot] == layer.level]
        if free:
            slot = min(free, key=lambda slot: (strides[slot] < stride, abs(strides[slot] - stride)))
        else:
            slot = len(strides)
            strides.append(stride)
            levels.append(layer.level)
            free_after.append(number)
        strides[slot] = max(strides[slot], stride)
        free_after[slot] = last_use.get(layer.output, number)
        of_value[layer.output] = slot
    return SlotPlan(tuple(Slot(*pair) for pair in zip(levels, strides, strict=True)), of_value)


def pack_weights(plan: FusedPlan, lanes: int, max_vectors: int) -> PackedWeights:
    """Cut each layer's output channels in panels that fit the registers; channels are padded with zeros to full vectors."""
    pieces = [np.empty(0, np.float32)]
    panels, panel_counts, bias_offsets, term_offsets = [], [], [], []
    used = 0
    for layer in plan.layers:
        layer_panels = _panels(len(layer.bias), lanes, max_vectors)
        panels += layer_panels
        panel_counts.append(len(layer_panels))
        width = padded(len(layer.bias), lanes)
        bias_offsets.append(used)
        pieces.append(np.pad(layer.bias, (0, width - len(layer.bias))))
        used += width
        for term in layer.terms:
            weight = np.pad(term.weight, ((0, 0), (0, 0), (0, width - len(layer.bias))))
            term_offsets.append(used)
            pieces += [weight[:, :, column : column + vectors * lanes].ravel() for column, vectors in layer_panels]
            used += weight.size
    values = aligned_empty(used, np.float32)
    np.concatenate(pieces, out=values)
    return PackedWeights(
        values,
        np.array(panels, np.int64).reshape(-1, 2),
        np.array(panel_counts, np.int64),
        np.array(bias_offsets, np.int64),
        np.array(term_offsets, np.int64),
    )


def padded(channels: int, lanes: int) -> int:
    """Channels in memory: full vectors."""
    return -(-channels // lanes) * lanes


def aligned_empty(length: int, dtype: type) -> np.ndarray:
    """An uninitialised array that starts on a 64-byte cache line."""
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
