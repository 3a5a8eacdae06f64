"""The records that run_network() reads: what is known of a network, completed by the sizes of one scan."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.engines.cpu.kernels import LAYER, PANEL, TABLE, TERM
from lidar_vl_core.engines.cpu.layout import pack_weights, plan_slots
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.engines.cpu.registers import LANES, MAX_VECTORS
from lidar_vl_core.sparse_model.onnx_form import kind_and_level, levels_of

if TYPE_CHECKING:
    from lidar_vl_core.sparse_model.graph import SparseGraph

_LINE = 16  # float32 values in a cache line; every slot starts on one


class LevelTables(Protocol):
    """Kernel maps of a U-Net, or tables of an encoder."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows of each level."""
        ...

    def table(self, kind: str, level: int) -> np.ndarray:
        """Rows of the level read for each row of the level written; the number of rows read where there is none."""
        ...


@dataclass(frozen=True)
class ScanProgram:
    """Records for one scan, and how much memory it needs."""

    tables: np.ndarray
    layers: np.ndarray
    terms: np.ndarray
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
    """A planned network with packed weights."""

    def __init__(self, graph: "SparseGraph") -> None:
        plan = plan_network(graph)
        slots = plan_slots(plan, graph.in_channels, LANES)
        packed = pack_weights(plan, LANES, MAX_VECTORS)
        self.weights = packed.values
        self.panels = np.zeros(len(packed.panels), PANEL)
        self.panels["column"], self.panels["vectors"] = packed.panels.T
        self._levels = graph.levels
        self._slot_level = np.array([slot.level for slot in slots.slots])
        self._slot_stride = np.array([slot.stride for slot in slots.slots])
        self._output_slot = slots.of_value[plan.output]

        terms = [(number, term) for number, layer in enumerate(plan.layers) for term in layer.terms]
        self._table_names = sorted({term.table for _, term in terms} - {""})
        self._term_table = np.array(
            [self._table_names.index(term.table) if term.table else -1 for _, term in terms], np.int64
        )
        self._term_level = np.array([plan.layers[number].level for number, _ in terms], np.int64)
        self._x_slot = np.array([slots.of_value[term.x] for _, term in terms], np.int64)
        self._terms = np.zeros(len(terms), TERM)
        self._terms["x_stride"] = self._slot_stride[self._x_slot]
        self._terms["kernel"] = [term.weight.shape[0] for _, term in terms]
        self._terms["c_in"] = [term.weight.shape[1] for _, term in terms]
        self._terms["weight_offset"] = packed.term_offsets

        self._level = np.array([layer.level for layer in plan.layers])
        self._y_slot = np.array([slots.of_value[layer.output] for layer in plan.layers])
        self._residual_slot = np.array([slots.of_value.get(layer.residual, -1) for layer in plan.layers])
        self._layers = np.zeros(len(plan.layers), LAYER)
        term_counts = np.array([len(layer.terms) for layer in plan.layers])
        self._layers["terms"], self._layers["first_term"] = term_counts, np.cumsum(term_counts) - term_counts
        self._layers["panels"] = packed.panel_counts
        self._layers["first_panel"] = np.cumsum(packed.panel_counts) - packed.panel_counts
        self._layers["bias_offset"] = packed.bias_offsets
        self._layers["y_stride"] = self._slot_stride[self._y_slot]
        self._layers["residual_stride"] = self._slot_stride[self._residual_slot]
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

        layers, terms = self._layers.copy(), self._terms.copy()
        layers["rows"], layers["blocks"], layers["block_rows"] = (a[self._level] for a in (counts, blocks, block_rows))
        layers["y_offset"] = slot_starts[self._y_slot]
        layers["residual_offset"] = np.where(self._residual_slot < 0, -1, slot_starts[self._residual_slot])
        terms["x_offset"] = slot_starts[self._x_slot]
        terms["list_offset"], terms["count_offset"] = pairs, -1
        paired = self._term_table >= 0
        for field in ("list_offset", "count_offset"):
            terms[field][paired] = tables[field][self._term_table[paired]]

        features, logits = (
            slice(slot_starts[slot], slot_starts[slot] + slot_sizes[slot]) for slot in (0, self._output_slot)
        )
        return ScanProgram(
            tables, layers, terms, features, int(self._slot_stride[0]), logits, int(self._slot_stride[self._output_slot]),
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


def _block_rows(rows: int) -> int:
    """Output rows per task: enough to reuse weights from the cache, few enough to share small levels among the cores."""
    return 512 if rows >= 16384 else 256 if rows >= 4096 else 128


def _starts(sizes: np.ndarray) -> tuple[np.ndarray, int]:
    """Where each of several pieces begins when they lie one after another, and the length of all."""
    ends = np.cumsum(sizes)
    return ends - sizes, int(ends[-1]) if len(ends) else 0
