"""A detector's file: what is written is read back in two parts, and computes what a slow reference does."""

import numpy as np
import onnx
import pytest
from onnx import helper

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.sparse_model.encoder_form import EncoderGraphBuilder
from lidar_vl_core.sparse_model.encoder_graph import read_encoder_graph
from tests.written.tiny_detectors import ANCHORS, MAP_SHAPE, tiny_detector_model

ALLOWED_BY_TENSORRT = {"Concat", "Gather", "Transpose", "Reshape", "Conv", "ConvTranspose", "Relu", "Identity"}


def test_tables_of_every_level_and_the_index_of_the_map_are_inputs():
    model = tiny_detector_model(ANCHORS)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "features": ["N0", 4],
        **{f"subm{level}": [f"N{level}", 27] for level in range(4)},
        **{f"strided{level}": [f"N{level + 1}", 3 if level == 3 else 27] for level in range(4)},
        "map_index": [1, 16, 16],
        "class_logit": [1, 8, 16, 16],
        "code": [1, 28, 16, 16],
        "direction_logit": [1, 8, 16, 16],
    }
    onnx.checker.check_model(model, full_check=True)


def test_reading_gives_the_sparse_layers_and_a_tail_in_standard_operators():
    graph = read_encoder_graph(onnx.load_model_from_string(tiny_detector_model(ANCHORS).SerializeToString()))
    assert (graph.map_shape, graph.kernels) == (MAP_SHAPE, (27, 27, 27, 3))
    assert graph.outputs == {"class_logit": (8, 16, 16), "code": (28, 16, 16), "direction_logit": (8, 16, 16)}
    layers = [(node.op, node.table, node.level) for node in graph.encoder.nodes if node.op == "sparse_conv"]
    assert layers == [
        ("sparse_conv", "subm0", 0),
        *[("sparse_conv", f"strided{level}", level + 1) for level in range(4)],
    ]
    assert (graph.encoder.out_channels, graph.encoder.levels) == (8, 5)
    assert {node.op_type for node in graph.tail.graph.node} == ALLOWED_BY_TENSORRT
    assert {value.name for value in graph.tail.graph.input} == {"map_rows", "map_index"}


def test_the_map_has_each_row_at_its_cell_with_heights_beside_channels():
    builder = EncoderGraphBuilder(3, (27,), "map")
    dense = builder.dense_map(
        builder.sparse_conv("features", "strided0", np.zeros((27, 3, 3), np.float32), np.zeros(3, np.float32)),
        (4, 5, 2),
    )
    tail = read_encoder_graph(builder.finish_maps({"seen": dense})).tail
    rng = np.random.default_rng(0)
    rows, index = rng.normal(size=(7, 3)).astype(np.float32), np.full((2, 5, 4), 7, np.int32)
    index.reshape(-1)[rng.choice(40, 7, replace=False)] = np.arange(7)
    (found,) = open_onnxruntime(tail.SerializeToString(), 1).run(None, {"map_rows": rows, "map_index": index})
    expected = np.zeros((1, 6, 5, 4), np.float32)
    for z, y, x in np.argwhere(index < 7):
        expected[0, z::2, y, x] = rows[index[z, y, x]]
    np.testing.assert_array_equal(found, expected)


def _foreign_tail(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Conv").op_type = "ConvInteger"


def _adds_at_indices(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Reshape").op_type = "ScatterND"


def _no_seam(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.output[0] == "map_rows").output[0] = "rows"


def _tail_reads_the_inside(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Conv").input[0] = model.graph.node[0].output[0]


def _unknown_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))


def _loose_map(model: onnx.ModelProto) -> None:
    value = next(value for value in model.graph.input if value.name == "map_index")
    value.type.tensor_type.shape.dim[1].dim_param = "H"


def _early_map(model: onnx.ModelProto) -> None:
    seam = next(node for node in model.graph.node if node.output[0] == "map_rows")
    seam.input[0] = model.graph.node[1].output[0]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_foreign_tail, "expected a tail of .* found :ConvInteger"),
        (_adds_at_indices, "expected a tail of .* found :ScatterND"),
        (_no_seam, "expected one node that computes map_rows, found 0"),
        (_tail_reads_the_inside, "expected a tail that reads map_rows, map_index only"),
        (_unknown_input, "expected inputs features"),
        (_loose_map, "map_index of fixed sizes"),
        (_early_map, "expected map_rows on level 4, found level 0"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(damage, told):
    model = tiny_detector_model(ANCHORS)
    damage(model)
    with pytest.raises(BadModelPackage, match=told):
        read_encoder_graph(model)


def test_a_layer_that_does_not_fit_is_refused_before_export():
    graph = EncoderGraphBuilder(3, (27,), "wrong")
    rows = graph.sparse_conv("features", "strided0", np.zeros((27, 3, 4), np.float32), np.zeros(4, np.float32))
    dense = graph.dense_map(rows, (8, 8, 1))
    with pytest.raises(BadRequest, match="expected a known table"):
        graph.sparse_conv(rows, "strided1", np.zeros((27, 4, 4), np.float32), np.zeros(4, np.float32))
    with pytest.raises(BadRequest, match=r"2D convolution of .*: expected a map of 5 channels"):
        graph.conv2d(dense, np.zeros((2, 5, 3, 3), np.float32), np.zeros(2, np.float32))
    with pytest.raises(BadRequest, match="2D convolution of"):
        graph.conv2d(rows, np.zeros((2, 4, 3, 3), np.float32), np.zeros(2, np.float32))
    half = graph.conv2d(dense, np.zeros((4, 4, 3, 3), np.float32), np.zeros(4, np.float32), stride=2, padding=1)
    with pytest.raises(BadRequest, match=r"maps of one size, found \(8, 8\) and \(4, 4\)"):
        graph.concat(dense, half)
