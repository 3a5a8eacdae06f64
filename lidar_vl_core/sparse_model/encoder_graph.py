"""Model files of a sparse encoder taken apart: the sparse layers, which every engine reads, and a tail in standard operators."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.sparse_model.encoder_form import CORNER_CELL, CORNER_WEIGHT, MAP_INDEX, MAP_ROWS
from lidar_vl_core.sparse_model.graph import SparseGraph, read_sparse_nodes, with_int8
from lidar_vl_core.sparse_model.model_file import require_bounded_values, require_sound_model, require_valid_model
from lidar_vl_core.sparse_model.onnx_form import FEATURES, IR_VERSION, OUTPUT
from lidar_vl_core.sparse_model.precision import as_float32

if TYPE_CHECKING:
    import onnx

_TAIL_OPS = {"Concat", "Gather", "Transpose", "Reshape", "Conv", "ConvTranspose", "Relu", "Identity"}
_POINT_OPS = {"MatMul", "Concat", "Gather", "Unsqueeze", "Mul", "ReduceSum", "Add", "Identity"}


@dataclass(frozen=True, eq=False)
class EncoderGraph:
    """The sparse encoder and the dense tail of a detector."""

    encoder: SparseGraph  # its answer are the rows of the map
    kernels: tuple[int, ...]  # neighbours of the strided convolution that leaves each level
    map_shape: tuple[int, int, int]  # cells along x, y, z
    outputs: dict[str, tuple[int, ...]]  # shape (C, H, W) of each map, by its name
    tail: "onnx.ModelProto"  # map_rows (A, C) and map_index (D, H, W) to the maps, each (1, C, H, W)


def read_encoder_graph(model: "onnx.ModelProto") -> EncoderGraph:
    """Read a model that EncoderGraphBuilder.finish_maps() made.

    Raises BadModelPackage for external data, an unknown operator, and for inputs, shapes or levels that do not fit.
    """
    encoder, kernels, tail = _parts(model, {MAP_INDEX}, _TAIL_OPS)
    shape = next(_shape(value) for value in model.graph.input if value.name == MAP_INDEX)
    depth, height, width = shape if len(shape) == 3 else (0, 0, 0)
    if min(depth, height, width) < 1:
        raise bad_model("a map_index of fixed sizes", shape)
    outputs = {value.name: _shape(value)[1:] for value in model.graph.output}
    return EncoderGraph(encoder, kernels, (width, height, depth), outputs, tail)


@dataclass(frozen=True, eq=False)
class PointGraph:
    """The sparse encoder and the tail of a VoxelNet for points."""

    encoder: SparseGraph  # its answer are the rows of the map
    kernels: tuple[int, ...]
    out_channels: int
    tail: "onnx.ModelProto"  # map_rows (A, C), corner_cell and corner_weight (R, 4) to logits (R, out_channels)


def read_point_graph(model: "onnx.ModelProto") -> PointGraph:
    """Read a model that EncoderGraphBuilder.finish_points() made; raises as read_encoder_graph()."""
    encoder, kernels, tail = _parts(model, {CORNER_CELL, CORNER_WEIGHT}, _POINT_OPS)
    outputs = [(value.name, _shape(value)) for value in model.graph.output]
    if len(outputs) != 1 or outputs[0][0] != OUTPUT or len(outputs[0][1]) != 2 or outputs[0][1][1] < 1:
        raise bad_model("one output logits (R, a fixed number of classes)", outputs)
    return PointGraph(encoder, kernels, outputs[0][1][1], tail)


def _parts(
    model: "onnx.ModelProto", own_inputs: set[str], ops: set[str]
) -> tuple[SparseGraph, tuple[int, ...], "onnx.ModelProto"]:
    """Sparse layers, kernels of the strided convolutions, and the tail, which reads the map's rows and inputs of its own."""
    import onnx
    from onnx import checker

    require_sound_model(model, "model.onnx")
    single = as_float32(model)
    shapes = {value.name: _shape(value) for value in single.graph.input}
    levels = sum(re.fullmatch(r"strided\d+", name) is not None for name in shapes)
    subm, strided = ([f"{kind}{level}" for level in range(levels)] for kind in ("subm", "strided"))
    if set(shapes) != {FEATURES, *subm, *strided, *own_inputs} or not levels:
        raise bad_model(f"inputs features, subm*, strided*, {', '.join(sorted(own_inputs))}", sorted(shapes))
    kernels = tuple(shapes[name][-1] for name in strided)
    if min(kernels) < 1:
        raise bad_model("strided tables of fixed widths", {name: shapes[name] for name in strided})
    names = [node.output[0] if len(node.output) == 1 else "" for node in single.graph.node]
    if names.count(MAP_ROWS) != 1:
        raise bad_model(f"one node that computes {MAP_ROWS}", names.count(MAP_ROWS))
    seam = names.index(MAP_ROWS) + 1
    tables = dict.fromkeys(subm, 27) | dict(zip(strided, kernels, strict=True))
    encoder = read_sparse_nodes(single, single.graph.node[:seam], tables, MAP_ROWS)
    if encoder.nodes[-1].level != levels:
        raise bad_model(f"{MAP_ROWS} on level {levels}", f"level {encoder.nodes[-1].level}")
    tail = _tail(single, single.graph.node[seam:], encoder.out_channels, own_inputs, ops)
    try:
        checker.check_model(tail, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise bad_model(f"a tail that reads {MAP_ROWS}, {', '.join(sorted(own_inputs))} only", error) from error
    require_bounded_values(tail, "model.onnx")
    require_valid_model(model, "model.onnx")
    return with_int8(encoder, model), kernels, tail


def _tail(
    model: "onnx.ModelProto", nodes: "list[onnx.NodeProto]", channels: int, own_inputs: set[str], ops: set[str]
) -> "onnx.ModelProto":
    from onnx import TensorProto, helper

    foreign = sorted({f"{node.domain}:{node.op_type}" for node in nodes if node.domain or node.op_type not in ops})
    if foreign:
        raise bad_model(f"a tail of {', '.join(sorted(ops))}", ", ".join(foreign))
    read = {name for node in nodes for name in node.input}
    rows = helper.make_tensor_value_info(MAP_ROWS, TensorProto.FLOAT, ["A", channels])
    own = [value for value in model.graph.input if value.name in own_inputs]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, "tail", [rows, *own], list(model.graph.output), initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _shape(value: "onnx.ValueInfoProto") -> tuple[int, ...]:
    """Sizes of a value; 0 for one that is only named."""
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
