"""A detector's model file taken apart: the sparse layers, which every engine reads, and a tail in standard operators."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.sparse_model.encoder_form import MAP_INDEX, MAP_ROWS
from lidar_vl_core.sparse_model.graph import SparseGraph, bad_model, read_sparse_nodes, require_single_file
from lidar_vl_core.sparse_model.onnx_form import FEATURES, IR_VERSION

if TYPE_CHECKING:
    import onnx

_TAIL_OPS = {"Concat", "Gather", "Transpose", "Reshape", "Conv", "ConvTranspose", "Relu", "Identity"}


@dataclass(frozen=True, eq=False)
class EncoderGraph:
    """Both parts of a detector."""

    encoder: SparseGraph  # its answer are the rows of the map
    kernels: tuple[int, ...]  # neighbours of the strided convolution that leaves each level
    map_shape: tuple[int, int, int]  # cells along x, y, z
    outputs: dict[str, tuple[int, ...]]  # shape (C, H, W) of each map, by its name
    tail: "onnx.ModelProto"  # map_rows (A, C) and map_index (D, H, W) to the maps, each (1, C, H, W)


def read_encoder_graph(model: "onnx.ModelProto") -> EncoderGraph:
    """Read a model written by EncoderGraphBuilder.

    Raises BadModelPackage for external data, an unknown operator, and for inputs, shapes or levels that do not fit.
    """
    import onnx
    from onnx import checker

    require_single_file(model, "model.onnx")
    shapes = {value.name: _shape(value) for value in model.graph.input}
    levels = sum(re.fullmatch(r"strided\d+", name) is not None for name in shapes)
    subm, strided = ([f"{kind}{level}" for level in range(levels)] for kind in ("subm", "strided"))
    if set(shapes) != {FEATURES, *subm, *strided, MAP_INDEX} or not levels:
        raise bad_model("inputs features, subm*, strided* and map_index", sorted(shapes))
    depth, height, width = shapes[MAP_INDEX] if len(shapes[MAP_INDEX]) == 3 else (0, 0, 0)
    kernels = tuple(shapes[name][-1] for name in strided)
    if min(depth, height, width, *kernels) < 1:
        raise bad_model("tables and a map_index of fixed sizes", {name: shapes[name] for name in (*strided, MAP_INDEX)})
    names = [node.output[0] if len(node.output) == 1 else "" for node in model.graph.node]
    if names.count(MAP_ROWS) != 1:
        raise bad_model(f"one node that computes {MAP_ROWS}", names.count(MAP_ROWS))
    seam = names.index(MAP_ROWS) + 1
    tables = dict.fromkeys(subm, 27) | dict(zip(strided, kernels, strict=True))
    encoder = read_sparse_nodes(model, model.graph.node[:seam], tables, MAP_ROWS)
    if encoder.nodes[-1].level != levels:
        raise bad_model(f"{MAP_ROWS} on level {levels}", f"level {encoder.nodes[-1].level}")
    tail = _tail(model, model.graph.node[seam:], encoder.out_channels)
    try:
        checker.check_model(tail, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise bad_model(f"a tail that reads {MAP_ROWS} and {MAP_INDEX} alone", error) from error
    outputs = {value.name: _shape(value)[1:] for value in model.graph.output}
    return EncoderGraph(encoder, kernels, (width, height, depth), outputs, tail)


def _tail(model: "onnx.ModelProto", nodes: "list[onnx.NodeProto]", channels: int) -> "onnx.ModelProto":
    from onnx import TensorProto, helper

    foreign = sorted(
        {f"{node.domain}:{node.op_type}" for node in nodes if node.domain or node.op_type not in _TAIL_OPS}
    )
    if foreign:
        raise bad_model(f"a tail of {', '.join(sorted(_TAIL_OPS))}", ", ".join(foreign))
    read = {name for node in nodes for name in node.input}
    rows = helper.make_tensor_value_info(MAP_ROWS, TensorProto.FLOAT, ["A", channels])
    index = [value for value in model.graph.input if value.name == MAP_INDEX]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, "tail", [rows, *index], list(model.graph.output), initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _shape(value: "onnx.ValueInfoProto") -> tuple[int, ...]:
    """Sizes of a value; 0 for one that is only named."""
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
