"""The records that run_network() reads: what is known of a network, completed by the sizes of one scan."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.engines.cpu.int8_loops import INT8_TERM, ROUNDED
from lidar_vl_core.engines.cpu.kernels import LAYER, PANEL, TABLE, TERM
from lidar_vl_core.engines.cpu.layout import ZERO_POINT, SlotPlan, columns_of, pack_weights, plan_slots
from lidar_vl_core.engines.cpu.plan import FusedPlan, Rounded, plan_network
from lidar_vl_core.engines.cpu.registers import HAS_VNNI, LANES, MAX_VECTORS
from lidar_vl_core.sparse_model.onnx_form import FEATURES, kind_and_level, levels_of

if TYPE_CHECKING:
    from lidar_vl_core.sparse_model.graph import SparseGraph

_LINE = 16  # float32 values in a cache line; every slot starts on one
_MOST_BLOCK_ROWS = 512


class LevelTables(Protocol):
    """Kernel maps of a U-Net, or tables of an encoder."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows of each level."""
        ...

    def table(self, kind: str, level: int) -> np.ndarray:
        """(rows written, K) or (rows written,): rows of the level read for each row written; their number where there is none."""
        ...


@dataclass(frozen=True)
class ScanProgram:
    """Records for one scan, and how much memory it needs."""

    tables: np.ndarray
    layers: np.ndarray
    terms: np.ndarray
    int8_terms: np.ndarray
    rounded: np.ndarray
    features: slice  # of the activations: rows of `feature_stride` values
    feature_stride: int
    logits: slice
    logit_stride: int
    values: int  # float32 values of all activations
    pairs: int  # entries of all pair lists
    self_pairs: int  # entries of the list that pairs every row with itself; it lies behind the others
    pair_counts: int
    kept: list[np.ndarray]  # arrays whose addresses stand in `tables`


class NetworkProgram:
    """A planned network with packed weights; its layers in int8 are so where the processor multiplies bytes."""

    def __init__(self, graph: "SparseGraph") -> None:
        plan = plan_network(graph, HAS_VNNI)
        slots = plan_slots(plan, graph.in_channels, LANES)
        packed = pack_weights(plan, LANES, MAX_VECTORS)
        self.weights = packed.values
        self.panels = np.zeros(len(packed.panels), PANEL)
        self.panels["column"], self.panels["vectors"] = packed.panels.T
        self._levels = graph.levels
        self._slot_level = np.array([slot.level for slot in slots.slots])
        self._slot_stride = np.array([slot.stride for slot in slots.slots])
        self._output, self._strides = slots.of_value[plan.output], (slots.stride[FEATURES], slots.stride[plan.output])
        self.scratch_words = 2 * MAX_VECTORS * LANES * _MOST_BLOCK_ROWS if any(x.int8_terms for x in plan.layers) else 0

        terms = [term for layer in plan.layers for term in layer.terms]
        int8_terms = [term for layer in plan.layers for term in layer.int8_terms]
        read, read_in_int8 = [term.table for term in terms], [term.table for term in int8_terms]
        self._table_names = sorted({*read, *read_in_int8} - {""})
        self._term_table, self._int8_table = (
            np.array([self._table_names.index(table) if table else -1 for table in tables], np.int64)
            for tables in (read, read_in_int8)
        )
        self._x_slot = np.array([slots.of_value[term.x] for term in terms], np.int64)
        self._terms = np.zeros(len(terms), TERM)
        self._terms["x_stride"] = [slots.stride[term.x] for term in terms]
        self._terms["kernel"] = [term.weight.shape[0] for term in terms]
        self._terms["c_in"] = [term.weight.shape[1] for term in terms]
        self._terms["weight_offset"] = packed.term_offsets

        self._int8_x_slot = np.array([slots.of_value[term.x] for term in int8_terms], np.int64)
        self._int8_terms = np.zeros(len(int8_terms), INT8_TERM)
        self._int8_terms["x_stride"] = self._int8_terms["fours"] = [slots.stride[term.x] for term in int8_terms]
        self._int8_terms["kernel"] = [term.weight.shape[0] for term in int8_terms]
        for column, field in enumerate(("weight_offset", "scale_offset", "shift_offset")):
            self._int8_terms[field] = packed.int8_offsets[:, column]

        self._level = np.array([layer.level for layer in plan.layers])
        self._y_slot = np.array([slots.of_value.get(layer.output, -1) for layer in plan.layers])
        self._residual_slot = np.array([slots.of_value.get(layer.residual, -1) for layer in plan.layers])
        self._rounded, self._rounded_slot, rounded_counts = _rounded(plan, slots)
        self._layers = np.zeros(len(plan.layers), LAYER)
        for first, field, counts in (
            ("first_term", "terms", [len(layer.terms) for layer in plan.layers]),
            ("first_int8_term", "int8_terms", [len(layer.int8_terms) for layer in plan.layers]),
            ("first_rounded", "rounded", rounded_counts),
            ("first_panel", "panels", packed.panel_counts),
        ):
            self._layers[field], self._layers[first] = counts, np.cumsum(counts) - counts
        self._layers["bias_offset"] = packed.bias_offsets
        self._layers["y_stride"] = [slots.stride.get(layer.output, 0) for layer in plan.layers]
        self._layers["residual_stride"] = [slots.stride.get(layer.residual, 0) for layer in plan.layers]
        self._layers["relu"] = [layer.relu for layer in plan.layers]

    def for_scan(self, maps: LevelTables) -> ScanProgram:
        """Complete the records with the sizes and tables of one scan."""
        counts = np.array(maps.counts[: self._levels], np.int64)
        block_rows = np.array([_block_rows(count) for count in counts], np.int64)
        blocks = -(-counts // block_rows)
        slot_sizes = counts[self._slot_level] * self._slot_stride
        slot_starts, values = _starts(-(-slot_sizes // _LINE) * _LINE)

        tables, kept = self._tables(maps, blocks, block_rows)
        tables["list_offset"], pairs = _starts(tables["blocks"] * tables["block_rows"] * tables["kernel"])
        tables["count_offset"], pair_counts = _starts(tables["blocks"] * tables["kernel"])

        layers, terms, int8_terms = self._layers.copy(), self._terms.copy(), self._int8_terms.copy()
        layers["rows"], layers["blocks"], layers["block_rows"] = (a[self._level] for a in (counts, blocks, block_rows))
        layers["y_offset"] = np.where(self._y_slot < 0, -1, slot_starts[self._y_slot])
        layers["residual_offset"] = np.where(self._residual_slot < 0, -1, slot_starts[self._residual_slot])
        for records, slot, table in (
            (terms, self._x_slot, self._term_table),
            (int8_terms, self._int8_x_slot, self._int8_table),
        ):
            records["x_offset"] = slot_starts[slot]
            records["list_offset"], records["count_offset"] = pairs, -1
            paired = table >= 0
            for field in ("list_offset", "count_offset"):
                records[field][paired] = tables[field][table[paired]]
        rounded = self._rounded.copy()
        rounded["offset"] += 4 * slot_starts[self._rounded_slot]

        features, logits = (
            slice(slot_starts[slot], slot_starts[slot] + counts[self._slot_level[slot]] * stride)
            for slot, stride in zip((0, self._output), self._strides, strict=True)
        )
        return ScanProgram(
            tables, layers, terms, int8_terms, rounded, features, self._strides[0], logits, self._strides[1],
            values, pairs, int((blocks * block_rows).max(initial=0)), pair_counts, kept,
        )  # fmt: skip

    def _tables(
        self, maps: LevelTables, blocks: np.ndarray, block_rows: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        tables, kept = np.zeros(len(self._table_names), TABLE), []
        for record, name in zip(tables, self._table_names, strict=True):
            kind, level = kind_and_level(name)
            array = np.ascontiguousarray(maps.table(kind, level), np.int32)
            from_level, to_level = levels_of(name)
            kept.append(array)
            record["address"], record["rows"] = array.ctypes.data, len(array)
            record["kernel"], record["is_up"] = (8, 1) if kind == "up" else (array.shape[1], 0)
            record["limit"], record["blocks"], record["block_rows"] = (
                maps.counts[from_level], blocks[to_level], block_rows[to_level],
            )  # fmt: skip
        return tables, kept


def _rounded(plan: FusedPlan, slots: SlotPlan) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """ROUNDED records of all layers one after another, with offsets within their slot; the slot of each; how many a layer has."""
    records, places, counts = [], [], []
    values = [value for value in slots.of_value if isinstance(value, Rounded)]
    for layer in plan.layers:
        written = [(value, byte) for value in values for byte in columns_of(value, layer.output, LANES)]
        counts.append(len(written))
        zero_point = 0 if layer.relu else ZERO_POINT
        for value, byte in written:
            records.append((byte, 4 * slots.stride[value], 1 / value.scale, zero_point))
            places.append(slots.of_value[value])
    return np.array(records, ROUNDED), np.array(places, np.int64), counts


def _block_rows(rows: int) -> int:
    """Output rows per task: enough to reuse weights from the cache, few enough to share small levels among the cores."""
    return _MOST_BLOCK_ROWS if rows >= 16384 else 256 if rows >= 4096 else 128


def _starts(sizes: np.ndarray) -> tuple[np.ndarray, int]:
    """Where each of several pieces begins when they lie one after another, and the length of all."""
    ends = np.cumsum(sizes)
    return ends - sizes, int(ends[-1]) if len(ends) else 0
