"""Encoders whose weights hide outside their file, or that would grow without a bound when they are opened."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.language_files import require_encoder

SECRET = "secret.bin"


def outside() -> onnx.TensorProto:
    tensor = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[8], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=SECRET)
    return tensor


def graph_with(tensor: onnx.TensorProto) -> onnx.GraphProto:
    answer = helper.make_tensor_value_info("o", TensorProto.FLOAT, [8])
    return helper.make_graph([helper.make_node("Identity", ["W"], ["o"])], "inner", [], [answer], initializer=[tensor])


def encoder(nodes=(), functions=(), **fields) -> onnx.ModelProto:
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["B", "L"])
    embeddings = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["B", 8])
    graph = helper.make_graph(list(nodes), "g", [tokens], [embeddings], **fields)
    return helper.make_model(
        graph, functions=list(functions), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )


def branch(graph: onnx.GraphProto) -> onnx.NodeProto:
    plain = graph_with(numpy_helper.from_array(np.zeros(8, np.float32), "W"))
    return helper.make_node("If", ["c"], ["v"], then_branch=graph, else_branch=plain)


def function(nodes, name="f") -> onnx.FunctionProto:
    return helper.make_function("own", name, ["x"], ["y"], list(nodes), [helper.make_opsetid("", 18)])


def nested(depth: int) -> onnx.GraphProto:
    graph = graph_with(outside())
    for _ in range(depth):
        graph = helper.make_graph(
            [branch(graph)], "outer", [], [helper.make_tensor_value_info("v", TensorProto.FLOAT, [8])]
        )
    return graph


def constant(**attribute) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["k"], **attribute)


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.zeros(8, np.int64), "indices")
    return onnx.SparseTensorProto(values=outside(), indices=indices, dims=[8])


def in_training() -> onnx.ModelProto:
    model = encoder()
    model.training_info.add(initialization=graph_with(outside()))
    return model


def in_a_functions_default() -> onnx.ModelProto:
    body = function([constant(value_float=1.0)])
    body.attribute_proto.append(helper.make_attribute("w", outside()))
    return encoder(functions=[body])


@pytest.mark.parametrize(
    "model",
    [
        encoder(initializer=[outside()]),
        encoder([branch(graph_with(outside()))]),
        encoder([branch(nested(1))]),
        encoder([branch(nested(8))]),
        encoder([helper.make_node("Loop", ["", "c"], ["v"], body=graph_with(outside()))]),
        encoder([helper.make_node("Scan", ["c"], ["v"], body=graph_with(outside()), num_scan_inputs=1)]),
        encoder([constant(value=outside())]),
        encoder([constant(tensors=[outside()])]),
        encoder([constant(graphs=[graph_with(outside())])]),
        encoder([constant(sparse_value=sparse())]),
        encoder(sparse_initializer=[sparse()]),
        encoder(functions=[function([constant(value=outside())])]),
        encoder(functions=[function([branch(nested(2))])]),
        in_a_functions_default(),
        in_training(),
    ],
)  # fmt: skip
def test_weights_kept_outside_are_found_wherever_they_hide(model):
    with pytest.raises(BadModelPackage, match=f"text_encoder.onnx: expected all weights inside.*{SECRET}"):
        require_encoder(model.SerializeToString(), {"tokens"}, {"embeddings"}, "text_encoder.onnx")


def calling(name: str, called: str) -> onnx.FunctionProto:
    return function([helper.make_node(called, ["x"], [y], domain="own") for y in ("y", "z")], name)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (encoder(functions=[calling("f", "f")]), "do not call themselves"),
        (encoder(functions=[calling("f", "g"), calling("g", "f")]), "do not call themselves"),
        (encoder(functions=[function([], "f"), function([], "f")]), "different names"),
        (
            encoder(
                [helper.make_node("f40", ["tokens"], ["v"], domain="own")],
                [calling(f"f{n}", f"f{n - 1}" if n else "Identity") for n in range(41)],
            ),
            "operators after functions are inlined",
        ),
        (encoder(sparse_initializer=[onnx.SparseTensorProto(dims=[2**40, 2**40])]), "numbers"),
    ],
)
def test_what_would_grow_without_a_bound_is_refused_before_it_does(model, told):
    with pytest.raises(BadModelPackage, match=told):
        require_encoder(model.SerializeToString(), {"tokens"}, {"embeddings"}, "text_encoder.onnx")


def test_a_file_of_more_messages_than_any_model_has_is_refused(monkeypatch):
    monkeypatch.setattr("lidar_vl_core.sparse_model.model_file._MOST_MESSAGES", 100)
    values = [helper.make_tensor_value_info(f"v{number}", TensorProto.FLOAT, [1]) for number in range(30)]
    with pytest.raises(BadModelPackage, match="at most 100 nodes, values and attributes, found more"):
        require_encoder(encoder(value_info=values).SerializeToString(), {"tokens"}, {"embeddings"}, "text_encoder.onnx")


def test_a_sound_encoder_with_branches_and_functions_is_accepted():
    body = function([helper.make_node("Identity", ["x"], ["y"])], "f")
    twice = function([helper.make_node("f", ["x"], ["y"], domain="own")], "g")
    plain = graph_with(numpy_helper.from_array(np.ones(8, np.float32), "W"))
    model = encoder([branch(plain), helper.make_node("g", ["v"], ["embeddings"], domain="own")], [body, twice])
    require_encoder(model.SerializeToString(), {"tokens"}, {"embeddings"}, "text_encoder.onnx")
