"""TensorRT-RTX takes the files we export, unchanged, and says of others which node it refuses."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from lidar_vl_core.engines.tensorrt.module import tensorrt_here
from lidar_vl_core.engines.tensorrt.parse import Messages, inlined, parse
from lidar_vl_core.engines.tensorrt_plugin.library import inlined_but_for_plugin
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.trunk import trunk_model
from offline_training.export.detector_onnx import voxelnet_onnx
from offline_training.export.onnx_writer import onnx_model
from offline_training.export.waffleiron_onnx import waffleiron_onnx
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from tests.written.embedding_packages import embedding_network


def layers_of(model: onnx.ModelProto) -> int:
    tensorrt = tensorrt_here()
    messages = Messages(tensorrt)
    builder = tensorrt.module.Builder(messages.logger)
    return parse(tensorrt, builder, inlined(model.SerializeToString()), messages).num_layers


@pytest.mark.parametrize("name", ["demo", "demo_detector"])
def test_the_packaged_models_are_taken(name):
    assert layers_of(onnx.load_model_from_string(load_model_package(name).onnx_bytes())) > 100


def narrow(name: str) -> MinkUNet:
    """A network of the published depth with few channels: the same nodes, in a hundredth of the bytes."""
    shape = SHAPES[name]
    planes = tuple(max(8, width // 8) for width in shape.planes)
    return MinkUNet(replace(shape, stem=8, planes=planes), 4, 16).eval()


@pytest.mark.parametrize("name", ["minkunet_18a", "minkunet_34c", "res16unet_34c"])
def test_networks_of_the_published_depths_are_taken(name):
    torch.manual_seed(0)
    model = onnx_model(narrow(name), name)
    convolutions = sum(node.domain == "lidar_vl" for node in model.graph.node)
    assert convolutions > 30
    assert layers_of(model) > 10 * convolutions


def test_the_5_5_5_stem_of_the_papers_is_taken_and_stays_plain_beside_the_plugin():
    torch.manual_seed(0)
    shape = replace(narrow("minkunet_18a").shape, stem_convs=1, stem_kernel=5)
    model = onnx_model(MinkUNet(shape, 3, 16).eval(), "wide")
    assert layers_of(model) > 300
    beside = inlined_but_for_plugin(model.SerializeToString())
    assert {node.op_type for node in beside.graph.node if node.domain == "lidar_vl"} == {"SparseConv"}
    reads_wide = [node.op_type for node in beside.graph.node if "wide0" in node.input]
    assert reads_wide == ["Gather"]


def test_an_embedding_network_is_taken_up_to_its_last_layer():
    model = embedding_network(4)
    assert 10 < layers_of(trunk_model(model)) < layers_of(model)


def test_a_network_for_points_is_taken():
    torch.manual_seed(0)
    assert layers_of(voxelnet_onnx(VoxelNet(16).eval(), "points")) > 100


@pytest.mark.parametrize("name", ["waffleiron_48_384", "waffleiron_48_768", "waffleiron_48_768_gelu"])
def test_waffleiron_of_the_published_depth_is_taken(name):
    torch.manual_seed(0)
    network = WaffleIron(replace(WAFFLEIRON_SHAPES[name], channels=8), 16).eval()
    assert layers_of(waffleiron_onnx(network, ((166, 166), (166, 16), (166, 16)), "waffleiron")) > 48 * 20


def test_adding_at_indices_is_refused_with_the_parsers_words():
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 4])
    index = helper.make_tensor_value_info("index", TensorProto.INT64, ["P", 1])
    added = helper.make_tensor_value_info("added", TensorProto.FLOAT, ["P", 4])
    node = helper.make_node("ScatterND", ["rows", "index", "added"], ["sums"], name="add_up", reduction="add")
    sums = helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph([node], "scatter", [rows, index, added], [sums])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(
        BadModelPackage, match=r"found 1 errors: node 0 add_up \(ScatterND\): .*reduction.*engine fused"
    ):
        layers_of(model)


def test_every_error_is_told():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    nodes = [
        helper.make_node("Nonsense", ["x"], ["a"], name="first", domain="somewhere"),
        helper.make_node("Identity", ["a"], ["y"]),
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("somewhere", 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=10)
    with pytest.raises(BadModelPackage, match=r"first \(Nonsense\)"):
        layers_of(model)


def test_what_is_inlined_computes_the_same():
    import onnxruntime

    model = onnx.load_model_from_string(load_model_package("demo").onnx_bytes())
    whole = inlined(model.SerializeToString())
    assert not whole.functions
    rng = np.random.default_rng(0)
    inputs = {
        value.name: rng.random((1, 8), np.float32) if value.name == "features" else None for value in model.graph.input
    }
    for value in model.graph.input:
        if value.name != "features":
            shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
            inputs[value.name] = np.zeros(shape, np.int32)
    answers = [
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, inputs)[0]
        for each in (model, whole)
    ]
    np.testing.assert_array_equal(*answers)
