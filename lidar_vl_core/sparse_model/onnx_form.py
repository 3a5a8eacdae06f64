"""Sparse U-Nets as one ONNX file: kernel maps are inputs, sparse convolutions are nodes with bodies in plain operators.

ONNX Runtime inlines the bodies; TensorRT takes a plugin of the same name where one is registered, else the body.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.conv_bodies import (
    DOMAIN,
    OPSET,
    PLUGIN_ATTRIBUTES,
    SPARSE_CONV,
    WIDE_CONV,
    float_bodies,
)

if TYPE_CHECKING:
    import onnx

IR_VERSION = 10  # read by every ONNX Runtime since 1.18
OUTPUT = "logits"
FEATURES = "features"
WIDE = "wide0"  # the table of a 5^3 convolution, which the finest level alone has

# Rows and width of the table that is an input, by its name; one without a width has no second dimension.
TableShapes = Mapping[str, tuple[str, int | None]]


class SparseGraphBuilder:
    """Writes one sparse network node by node; value names are strings, weights are [K, C_in, C_out] float32.

    Known from the start: "features" (N0, C), "subm{l}" (Nl, 27), "child{l}" (N{l+1}, 8), "up{l}" (Nl,), where asked "wide0" (N0, 125).
    """

    def __init__(self, in_channels: int, levels: int, name: str, has_wide: bool = False) -> None:
        self.in_channels = in_channels
        self.name = name
        self._tables: TableShapes = _table_shapes(levels, has_wide)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._channels = {FEATURES: in_channels}

    def sparse_conv(self, x: str, table: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """y[i] = bias + sum_k x[table[i, k]] @ weight[k]; missing neighbours are zero. table: "subm{l}", "child{l}" or "wide0".

        weight: (K, C_in, C_out); bias: (C_out,). Raises BadRequest where they do not fit.
        """
        kernel = self._tables.get(table, (None, None))[1]
        self._require_weight(x, weight, bias, kernel, table)
        op = WIDE_CONV if table == WIDE else SPARSE_CONV
        return self._weighted(op, [x, table], weight, bias, domain=DOMAIN, **PLUGIN_ATTRIBUTES)

    def sparse_inverse_conv(self, x: str, level: int, weight: np.ndarray, bias: np.ndarray) -> str:
        """y[i] = bias + x[up[i] // 8] @ weight[up[i] % 8]: from level + 1 back to `level`.

        weight: (8, C_in, C_out); bias: (C_out,). Raises BadRequest where they do not fit.
        """
        self._require_weight(x, weight, bias, 8, f"up{level}")
        return self._weighted("SparseInverseConv", [x, f"up{level}"], weight, bias, domain=DOMAIN, **PLUGIN_ATTRIBUTES)

    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """y = x @ weight + bias; weight: (C_in, C_out). Raises BadRequest where they do not fit."""
        self._require_weight(x, weight[None], bias, 1, "a linear layer")
        return self._weighted("Gemm", [x], weight, bias)

    def add(self, a: str, b: str) -> str:
        """Sum of two values of one level and width."""
        return self._node("Add", [a, b], self._channels[a])

    def relu(self, x: str) -> str:
        """Rectified linear unit."""
        return self._node("Relu", [x], self._channels[x])

    def concat(self, a: str, b: str) -> str:
        """Channels of `a`, then channels of `b`."""
        return self._node("Concat", [a, b], self._channels[a] + self._channels[b], axis=1)

    def finish(self, output: str) -> "onnx.ModelProto":
        """Return the checked model whose output "logits" is the value `output`."""
        import onnx
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [output], [OUTPUT], name=OUTPUT))
        answer = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N0", self._channels[output]])
        return self._model([], [answer])

    def _model(
        self, more_inputs: "Sequence[onnx.ValueInfoProto]", outputs: "Sequence[onnx.ValueInfoProto]"
    ) -> "onnx.ModelProto":
        """The checked model of all nodes, with features, tables and more as its inputs."""
        import onnx
        from onnx import helper

        inputs = [helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["N0", self.in_channels])]
        for name, (rows, kernel) in self._tables.items():
            shape: list[str | int | None] = [rows] if kernel is None else [rows, kernel]
            inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.INT32, shape))
        graph = helper.make_graph(
            self._nodes, self.name, [*inputs, *more_inputs], list(outputs), initializer=self._weights
        )
        model = helper.make_model(
            graph,
            functions=float_bodies(self._nodes),
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
            producer_name="lidar-vl",
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model)
        return model

    def _weighted(
        self, op: str, inputs: list[str], weight: np.ndarray, bias: np.ndarray, **attributes: str | int | list[int]
    ) -> str:
        name = f"{op.lower()}_{len(self._nodes)}"
        names = [
            self._constant(f"{name}.{what}", array.astype(np.float32))
            for what, array in (("weight", weight), ("bias", bias))
        ]
        return self._node(op, [*inputs, *names], len(bias), **attributes)

    def _constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _node(self, op: str, inputs: list[str], channels: int, **attributes: str | int | list[int]) -> str:
        from onnx import helper

        output = f"{op.lower()}_{len(self._nodes)}"
        node = helper.make_node(op, inputs, [output], name=output, **attributes)  # type: ignore[arg-type]
        self._nodes.append(node)
        self._channels[output] = channels
        return output

    def _require_weight(self, x: str, weight: np.ndarray, bias: np.ndarray, kernel: int | None, where: str) -> None:
        expected = (kernel, self._channels[x])
        if kernel is None or weight.ndim != 3 or weight.shape[:2] != expected or bias.shape != weight.shape[2:]:
            raise BadRequest(
                f"{where} of {x}: expected a known table, weight {(*expected, 'C_out')} and bias (C_out,), "
                f"found {weight.shape} and {bias.shape}. Fix the layer before export."
            )


def table_names(levels: int, has_wide: bool = False) -> list[str]:
    """Names of all kernel map inputs of a network with `levels` levels, in the order of the file."""
    return list(_table_shapes(levels, has_wide))


def kind_and_level(table: str) -> tuple[str, int]:
    """What a kernel map's name says: "subm0" is ("subm", 0)."""
    kind = table.rstrip("0123456789")
    return kind, int(table.removeprefix(kind))


def levels_of(table: str) -> tuple[int, int]:
    """Level that a layer with this kernel map reads, and the level it writes."""
    kind, level = kind_and_level(table)
    to_coarser = (level, level + 1)
    return {
        "subm": (level, level),
        "wide": (level, level),
        "child": to_coarser,
        "strided": to_coarser,
        "up": (level + 1, level),
    }[kind]


def _table_shapes(levels: int, has_wide: bool) -> dict[str, tuple[str, int | None]]:
    """Rows and width of every kernel map input; "up" has no second dimension."""
    shapes: dict[str, tuple[str, int | None]] = {f"subm{level}": (f"N{level}", 27) for level in range(levels)}
    for level in range(levels - 1):
        shapes[f"child{level}"] = (f"N{level + 1}", 8)
        shapes[f"up{level}"] = (f"N{level}", None)
    return shapes | ({WIDE: ("N0", 125)} if has_wide else {})
