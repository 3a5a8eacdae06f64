import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.sparse_model.conv_bodies import DOMAIN
from lidar_vl_core.sparse_model.graph import read_sparse_graph
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder, kind_and_level, table_names


def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((kernel, c_in, c_out), np.float32), np.zeros(c_out, np.float32)


def small_model() -> onnx.ModelProto:
    graph = SparseGraphBuilder(in_channels=4, levels=2, name="small")
    x = graph.relu(graph.sparse_conv("features", "subm0", *weights(27, 4, 8)))
    down = graph.sparse_conv(x, "child0", *weights(8, 8, 16))
    up = graph.sparse_inverse_conv(down, 0, *weights(8, 16, 8))
    both = graph.concat(graph.add(up, x), x)
    return graph.finish(graph.linear(both, np.ones((16, 3), np.float32), np.zeros(3, np.float32)))


def test_the_model_has_the_tables_as_inputs_with_named_sizes():
    model = small_model()
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    assert shapes == {
        "features": ["N0", 4],
        "subm0": ["N0", 27],
        "subm1": ["N1", 27],
        "child0": ["N1", 8],
        "up0": ["N0"],
    }
    assert [value.name for value in model.graph.output] == ["logits"]
    onnx.checker.check_model(model, full_check=True)


def test_sparse_nodes_carry_what_a_plugin_is_found_by_and_a_body_in_plain_operators():
    model = small_model()
    sparse = [node for node in model.graph.node if node.domain == DOMAIN]
    assert {node.op_type for node in sparse} == {"SparseConv", "SparseInverseConv"}
    for node in sparse:
        assert {attribute.name for attribute in node.attribute} == {"plugin_namespace", "aot"}
    assert {function.name for function in model.functions} == {"SparseConv", "SparseInverseConv"}
    assert all(node.domain == "" for function in model.functions for node in function.node)


def test_reading_gives_back_the_layers_with_levels_and_widths():
    graph = read_sparse_graph(onnx.load_model_from_string(small_model().SerializeToString()))
    assert (graph.in_channels, graph.out_channels, graph.levels) == (4, 3, 2)
    assert [(node.op, node.level, node.channels) for node in graph.nodes] == [
        ("sparse_conv", 0, 8),
        ("relu", 0, 8),
        ("sparse_conv", 1, 16),
        ("sparse_inverse_conv", 0, 8),
        ("add", 0, 8),
        ("concat", 0, 16),
        ("linear", 0, 3),
        ("identity", 0, 3),
    ]
    np.testing.assert_array_equal(graph.nodes[0].weight, weights(27, 4, 8)[0])


def test_table_names_of_one_level_know_no_children():
    assert table_names(1) == ["subm0"]


def test_a_table_name_says_kind_and_level():
    found = [kind_and_level(name) for name in table_names(12)]
    assert found[:12] == [("subm", level) for level in range(12)]
    assert found[12:] == [(kind, level) for level in range(11) for kind in ("child", "up")]


@pytest.mark.parametrize(
    ("table", "weight", "bias"),
    [
        ("subm0", (27, 5, 8), 8),
        ("subm0", (8, 4, 8), 8),
        ("subm0", (27, 4, 8), 7),
        ("subm7", (27, 4, 8), 8),
        ("child0", (27, 4, 8), 8),
        ("up0", (8, 4, 8), 8),
    ],
)
def test_a_weight_that_does_not_fit_is_refused_before_export(table, weight, bias):
    graph = SparseGraphBuilder(4, 2, "wrong")
    with pytest.raises(BadRequest, match=r"expected .* found"):
        graph.sparse_conv("features", table, np.zeros(weight, np.float32), np.zeros(bias, np.float32))


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _external_in_function(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.functions[0].node.append(helper.make_node("Constant", [], ["hidden"], value=tensor))


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Sigmoid"


def _foreign_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _scaled_gemm(model: onnx.ModelProto) -> None:
    model.graph.node[-2].attribute.append(helper.make_attribute("alpha", 2.0))


def _concat_of_rows(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Concat").attribute[0].i = 0


def _wrong_level(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "subm1"


def _missing_weight(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


def _reads_the_future(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[2].output[0]


def _missing_input(model: onnx.ModelProto) -> None:
    del model.graph.node[0].input[3]


def _no_inputs(model: onnx.ModelProto) -> None:
    del model.graph.input[:]


def _unbounded_features(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[:]


def _identity_inside(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Identity"


def _name_written_twice(model: onnx.ModelProto) -> None:
    model.graph.node[2].output[0] = model.graph.node[0].output[0]


@pytest.mark.parametrize(
    "damage",
    [
        _external,
        _external_in_function,
        _foreign_operator,
        _foreign_domain,
        _scaled_gemm,
        _concat_of_rows,
        _wrong_level,
        _missing_weight,
        _reads_the_future,
        _missing_input,
        _no_inputs,
        _unbounded_features,
        _identity_inside,
        _name_written_twice,
    ],
)
def test_a_model_of_another_form_is_refused_with_what_was_expected(damage):
    model = small_model()
    damage(model)
    with pytest.raises(BadModelPackage, match=r"expected .* found"):
        read_sparse_graph(model)
