"""ONNX Runtime engine: the portable reference, fast enough to be used where nothing can be compiled."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.sparse_model.onnx_form import FEATURES, IR_VERSION, OUTPUT, kind_and_level

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph
    from lidar_vl_core.voxels.kernel_maps import KernelMaps


class OnnxEngine:
    """Runs a sparse network as one product per kernel offset, over existing neighbours only.

    The bodies in the model file multiply every missing neighbour as a zero row, about three quarters of all; here the
    same weights are written as Gather, MatMul and ScatterND over pair lists instead.
    """

    def __init__(self, graph: "SparseGraph", threads: int) -> None:
        tables = {node.table for node in graph.nodes if node.table}
        self._paired = sorted(table for table in tables if not table.startswith("up"))
        self._plain = sorted({table for table in tables if not table.startswith(("subm", "wide"))})
        model = _per_offset_model(graph, self._paired, self._plain)
        self._session = open_onnxruntime(model.SerializeToString(), threads)

    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray:
        """(M, C) float32 -> (M, classes) float32."""
        inputs = {FEATURES: features} | {name: _table(name, maps) for name in self._plain}
        for name in self._paired:
            _, level = kind_and_level(name)
            inputs |= _pair_lists(name, _table(name, maps), maps.counts[level])
        return self._session.run([OUTPUT], inputs)[0]


class OnnxFileEngine:
    """Runs a model file as it is, in the precision it is written in: the answers of a vehicle's engine, slowly."""

    def __init__(self, model: bytes, tables: Sequence[str], threads: int) -> None:
        """tables: names of the kernel maps that it reads."""
        self._tables = tables
        self._session = open_onnxruntime(model, threads)

    def run(self, features: np.ndarray, maps: "KernelMaps") -> np.ndarray:
        """(M, C) float32 -> (M, classes) float32."""
        inputs = {FEATURES: features} | {name: _table(name, maps) for name in self._tables}
        return self._session.run([OUTPUT], inputs)[0]


def open_onnxruntime(
    model: bytes,
    threads: int,
    provider: tuple[str, dict[str, str]] | None = None,
    devices: "Sequence[onnxruntime.OrtEpDevice]" = (),
) -> "onnxruntime.InferenceSession":
    """An ONNX Runtime session; also runs model files as they are.

    provider: what computes in place of the CPU, which then does what that cannot, and its options. devices: the provider's,
    where it is a plug-in.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # A thread that spins while it waits takes the core from what runs beside it: driver, middleware, the fused engine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; it warns of every initialiser that only function bodies use
    if provider is not None and devices:
        options.add_provider_for_devices(devices, provider[1])
        return onnxruntime.InferenceSession(model, options)
    providers = [*([] if provider is None else [provider]), "CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def _centre(kernel: int) -> int | None:
    """The offset of the voxel itself, where a kernel has one."""
    return kernel // 2 if kernel % 2 else None


def _table(name: str, maps: "KernelMaps") -> np.ndarray:
    return maps.table(*kind_and_level(name))


def _pair_lists(name: str, table: np.ndarray, limit: int) -> dict[str, np.ndarray]:
    """Rows of input and output that meet, offset after offset; the centre is left out, it is a dense product."""
    exists = (table < limit).T  # (K, N)
    centre = _centre(len(exists))
    if centre is not None:
        exists = np.delete(exists, centre, axis=0)
    sizes = exists.sum(axis=1)
    k, out = np.nonzero(exists)
    k = k if centre is None else k + (k >= centre)
    return {f"{name}.in": table[out, k], f"{name}.out": out[:, None], f"{name}.sizes": sizes}


def _per_offset_model(graph: "SparseGraph", paired: list[str], plain: list[str]) -> "onnx.ModelProto":
    from onnx import TensorProto, helper

    writer = _Writer()
    inputs = [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N0", graph.in_channels])]
    for name in plain:
        shape: list[str | int | None] = ["N_" + name] if name.startswith("up") else ["N_" + name, 8]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.INT32, shape))
    for name in paired:
        offsets = {"child": 8, "subm": 26, "wide": 124}[kind_and_level(name)[0]]
        inputs.append(helper.make_tensor_value_info(f"{name}.in", TensorProto.INT32, [f"P_{name}"]))
        inputs.append(helper.make_tensor_value_info(f"{name}.out", TensorProto.INT64, [f"P_{name}", 1]))
        inputs.append(helper.make_tensor_value_info(f"{name}.sizes", TensorProto.INT64, [offsets]))
        for side in ("in", "out"):
            pieces = [f"{name}.{side}.{k}" for k in range(offsets)]
            writer.nodes.append(helper.make_node("Split", [f"{name}.{side}", f"{name}.sizes"], pieces, axis=0))
    for node in graph.nodes:
        writer.write(node)
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N0", graph.out_channels])
    model = helper.make_graph(writer.nodes, "per_offset", inputs, [output], initializer=writer.weights)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class _Writer:
    """Writes layers in plain operators."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def write(self, node: "GraphNode") -> None:
        x, y = node.inputs[0], node.output
        plain = {"add": "Add", "relu": "Relu", "identity": "Identity"}
        if node.op in plain:
            self._node(plain[node.op], list(node.inputs), y)
        elif node.op == "concat":
            self._node("Concat", list(node.inputs), y, axis=1)
        elif node.op == "linear":
            self._node("Gemm", [x, self._matrix(node, 0), self._bias(node)], y)
        elif node.op == "sparse_inverse_conv":
            self._inverse(node)
        else:
            self._sparse_conv(node)

    def _sparse_conv(self, node: "GraphNode") -> None:
        x, y = node.inputs[0], node.output
        total = f"{y}.start"
        kernel = list(range(len(_weight(node))))
        centre = _centre(len(kernel))
        if centre is not None:
            self._node("Gemm", [x, self._matrix(node, kernel.pop(centre)), self._bias(node)], total)
        else:
            rows = self._node("Shape", [node.table], f"{y}.rows", start=0, end=1)
            shape = self._node(
                "Concat", [rows, self._constant(f"{y}.width", np.array([node.channels]))], f"{y}.shape", axis=0
            )
            self._node("Expand", [self._bias(node), shape], total)
        for number, k in enumerate(kernel):
            gathered = self._node("Gather", [x, f"{node.table}.in.{number}"], f"{y}.{k}.x", axis=0)
            product = self._node("MatMul", [gathered, self._matrix(node, k)], f"{y}.{k}.product")
            result = y if number == len(kernel) - 1 else f"{y}.{k}"
            total = self._node("ScatterND", [total, f"{node.table}.out.{number}", product], result, reduction="add")

    def _inverse(self, node: "GraphNode") -> None:
        """All eight children of every parent, then the one each voxel is: nothing is multiplied in vain."""
        x, y = node.inputs[0], node.output
        weight = _weight(node)
        matrix = weight.transpose(1, 0, 2).reshape(weight.shape[1], -1)
        product = self._node("MatMul", [x, self._constant(f"{y}.matrix", matrix)], f"{y}.product")
        shape = self._constant(f"{y}.shape", np.array([-1, node.channels]))
        children = self._node("Reshape", [product, shape], f"{y}.children")
        chosen = self._node("Gather", [children, node.table], f"{y}.chosen", axis=0)
        self._node("Add", [chosen, self._bias(node)], y)

    def _node(self, op: str, inputs: list[str], output: str, **attributes: int | str) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))  # type: ignore[arg-type]
        return output

    def _matrix(self, node: "GraphNode", k: int) -> str:
        return self._constant(f"{node.output}.weight.{k}", np.ascontiguousarray(_weight(node)[k]))

    def _bias(self, node: "GraphNode") -> str:
        return self._constant(f"{node.output}.bias", node.bias)

    def _constant(self, name: str, array: np.ndarray | None) -> str:
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name


def _weight(node: "GraphNode") -> np.ndarray:
    if node.weight is None:
        raise ValueError(f"{node.op} without weights")  # read_sparse_graph never makes one
    return node.weight
