"""Half and int8 forms of model files: what stands in them, what is read back, and what is refused."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.sparse_model.encoder_graph import read_encoder_graph
from lidar_vl_core.sparse_model.graph import read_sparse_graph
from lidar_vl_core.sparse_model.half_form import in_half
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from lidar_vl_core.sparse_model.precision import precision_of
from tests.written.tiny_detectors import CENTERS, tiny_detector_model

Model = onnx.ModelProto


def small_model() -> Model:
    rng = np.random.default_rng(0)

    def layer(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        weight = rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in)
        return weight.astype(np.float32), rng.normal(size=c_out).astype(np.float32)

    graph = SparseGraphBuilder(in_channels=4, levels=2, name="small")
    x = graph.relu(graph.sparse_conv("features", "subm0", *layer(27, 4, 8)))
    down = graph.relu(graph.sparse_conv(x, "child0", *layer(8, 8, 16)))
    up = graph.relu(graph.sparse_inverse_conv(down, 0, *layer(8, 16, 8)))
    y = graph.sparse_conv(up, "subm0", *layer(27, 8, 8))
    weight, bias = layer(1, 8, 3)
    return graph.finish(graph.linear(graph.add(y, x), weight[0], bias))


def small_in_int8() -> Model:
    model = small_model()
    return in_int8(model, dict.fromkeys(inputs_to_quantize(model), 0.02))


def weights(model: Model) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_half_has_one_cast_at_the_input_and_one_at_the_output_and_no_float32_weight():
    model = in_half(small_model())
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert [(node.input[0], node.output[0]) for node in casts] == [
        ("features", "features.half"),
        (model.graph.node[-1].input[0], "logits"),
    ]
    assert {weight.dtype for weight in weights(model).values()} == {np.dtype(np.float16)}
    assert {value.name: value.type.tensor_type.elem_type for value in model.graph.output} == {
        "logits": TensorProto.FLOAT
    }
    onnx.checker.check_model(model, full_check=True)


def test_no_body_of_a_convolution_names_a_type_but_int8():
    for model in (small_model(), in_half(small_model()), small_in_int8()):
        for function in model.functions:
            ops = [node.op_type for node in function.node]
            assert "ConstantOfShape" not in ops
            assert ("QuantizeLinear" in ops) == function.name.startswith("Quantized")


def test_the_file_shrinks_to_half():
    assert in_half(tiny_detector_model(CENTERS)).ByteSize() < 0.65 * tiny_detector_model(CENTERS).ByteSize()


def test_half_is_read_as_float32_with_exactly_its_weights():
    graph, read = read_sparse_graph(small_model()), read_sparse_graph(in_half(small_model()))
    for node, back in zip(graph.nodes, read.nodes, strict=True):
        assert (node.op, node.level, node.channels, node.table) == (back.op, back.level, back.channels, back.table)
        if node.weight is not None:
            assert back.weight.dtype == back.bias.dtype == np.float32
            np.testing.assert_array_equal(back.weight, node.weight.astype(np.float16).astype(np.float32))
            np.testing.assert_array_equal(back.bias, node.bias.astype(np.float16).astype(np.float32))


def test_a_detector_in_half_casts_every_map_and_is_read_with_a_tail_in_float32():
    model = in_half(tiny_detector_model(CENTERS))
    assert sum(node.op_type == "Cast" for node in model.graph.node) == 1 + len(CENTERS.channels)
    graph = read_encoder_graph(model)
    assert set(graph.outputs) == set(CENTERS.channels)
    assert all(weight.dtype != np.float16 for weight in weights(graph.tail).values())
    assert not any(node.op_type == "Cast" for node in graph.tail.graph.node)


def test_int8_quantizes_the_sparse_convolutions_but_the_first():
    model = small_in_int8()
    ops = [node.op_type for node in model.graph.node if node.domain]
    assert ops == ["SparseConv", "QuantizedSparseConv", "SparseInverseConv", "QuantizedSparseConv"]
    quantized = next(node for node in model.graph.node if node.op_type == "QuantizedSparseConv")
    weight, weight_scale, x_scale = quantized.input[2:5]
    stored = weights(model)
    assert stored[weight].dtype == np.int8
    assert np.abs(stored[weight]).max(axis=(0, 1)).tolist() == [127] * 16
    assert (stored[weight_scale].shape, stored[x_scale].shape) == ((16,), ())
    onnx.checker.check_model(model, full_check=True)


def test_int8_is_read_as_float32_within_half_a_step_of_each_channel():
    for node, back in zip(
        read_sparse_graph(small_model()).nodes, read_sparse_graph(small_in_int8()).nodes, strict=True
    ):
        assert (node.op, node.inputs, node.table) == (back.op, back.inputs, back.table)
        if node.weight is not None:
            step = np.abs(node.weight).max(axis=(0, 1)) / 127
            assert (np.abs(node.weight - back.weight) <= 0.501 * step).all()


def test_a_channel_of_zeros_stays_zero_in_int8():
    graph = SparseGraphBuilder(in_channels=2, levels=1, name="zeros")
    x = graph.relu(graph.sparse_conv("features", "subm0", np.ones((27, 2, 2), np.float32), np.zeros(2, np.float32)))
    weight = np.ones((27, 2, 2), np.float32)
    weight[..., 1] = 0.0
    model = graph.finish(graph.sparse_conv(x, "subm0", weight, np.zeros(2, np.float32)))
    read = read_sparse_graph(in_int8(model, {x: 0.1})).nodes[2].weight
    np.testing.assert_allclose(read, weight, rtol=1e-6)


def test_the_precision_of_a_file_stands_in_its_operators():
    model = small_model()
    assert [precision_of(each) for each in (model, in_half(model), small_in_int8())] == ["fp32", "fp16", "int8"]


def test_weights_that_half_cannot_hold_are_refused():
    graph = SparseGraphBuilder(in_channels=2, levels=1, name="large")
    model = graph.finish(graph.linear("features", np.full((2, 2), 1e5, np.float32), np.zeros(2, np.float32)))
    with pytest.raises(BadModelPackage, match="expected weights within \\+-65504"):
        in_half(model)


def without_input_cast(model: Model) -> None:
    model.graph.node[1].input[0] = "features"


def without_output_cast(model: Model) -> None:
    last = model.graph.node[-1]
    last.CopyFrom(helper.make_node("Identity", list(last.input), list(last.output)))


def with_a_cast_inside(model: Model) -> None:
    relu = model.graph.node[2]
    relu.CopyFrom(helper.make_node("Cast", list(relu.input), list(relu.output), to=TensorProto.FLOAT))


def with_a_float32_weight(model: Model) -> None:
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))


def with_a_cast_to_double(model: Model) -> None:
    model.graph.node[0].attribute[0].i = TensorProto.DOUBLE


@pytest.mark.parametrize(
    "harm",
    [without_input_cast, without_output_cast, with_a_cast_inside, with_a_float32_weight, with_a_cast_to_double],
)
def test_a_file_that_is_only_partly_in_half_is_refused(harm: Callable[[Model], None]):
    model = in_half(small_model())
    harm(model)
    with pytest.raises(BadModelPackage, match=r"model\.onnx: expected"):
        read_sparse_graph(model)


def set_weight(model: Model, place: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
    node = next(node for node in model.graph.node if node.op_type == "QuantizedSparseConv")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[place])
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (2, lambda weight: weight.astype(np.float32)),
        (2, lambda weight: weight[0]),
        (3, lambda scale: scale[:-1]),
        (3, lambda scale: -scale),
        (3, lambda scale: scale * np.float32(np.nan)),
        (4, lambda scale: scale[None]),
        (4, lambda scale: np.float32(0) * scale),
        (4, lambda scale: scale.astype(np.float64)),
    ],
)
def test_weights_and_scales_of_int8_that_do_not_fit_are_refused(place: int, change: Callable[[np.ndarray], np.ndarray]):
    model = small_in_int8()
    set_weight(model, place, change)
    with pytest.raises(BadModelPackage, match="positive float32 scales"):
        read_sparse_graph(model)


def test_a_quantized_convolution_with_weights_missing_is_refused():
    model = small_in_int8()
    node = next(node for node in model.graph.node if node.op_type == "QuantizedSparseConv")
    node.input[3] = "nowhere"
    with pytest.raises(BadModelPackage, match="four weights in the file"):
        read_sparse_graph(model)


def test_damaged_half_weights_are_told_as_such():
    model = in_half(small_model())
    model.graph.initializer[0].raw_data = b"\0"
    with pytest.raises(BadModelPackage, match="weights that fill their shapes"):
        read_sparse_graph(model)
