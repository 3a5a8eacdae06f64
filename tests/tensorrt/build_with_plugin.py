"""python -m tests.tensorrt.build_with_plugin TYPE : a plan, in float32 or float16, of the demo model in which plugins compute sparse convolutions. Prints JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import tensorrt_rtx as trt
from onnx import helper, numpy_helper

from lidar_vl_core.engines.tensorrt_plugin.library import inlined_but_for_plugin, register_plugin
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, kind_and_level

DEMO = Path(__file__).parents[2] / "lidar_vl_core" / "models" / "demo" / "model.onnx"
ROWS = (1, 2_000, 4_000)  # of the finest level: least, usual, most


def main() -> None:
    """Register the plugin, parse, build for one target, and tell what came of it."""
    logger = trt.Logger(trt.Logger.WARNING)
    registered = register_plugin(trt)
    model = inlined_but_for_plugin(DEMO.read_bytes())
    if sys.argv[1] == "float16":
        _turn_to_half(model)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(model.SerializeToString())
    errors = [parser.get_error(number).desc() for number in range(parser.num_errors)]
    if not parsed or errors:
        raise SystemExit(f"parse: {errors}")
    kinds = [network.get_layer(number).type for number in range(network.num_layers)]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    profile = builder.create_optimization_profile()
    for number in range(network.num_inputs):
        tensor = network.get_input(number)
        profile.set_shape(tensor.name, *(_shape(tensor, rows) for rows in ROWS))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    told = {
        "registered": registered,
        "nodes": sum(node.op_type == "SparseConv" for node in model.graph.node),
        "plugins": kinds.count(trt.LayerType.PLUGIN_V3),
        "plan_bytes": 0 if plan is None else plan.nbytes,
    }
    print(json.dumps(told))


def _turn_to_half(model: onnx.ModelProto) -> None:
    """Weights and all between the features and the logits in float16."""
    graph = model.graph
    for weight in graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    for node in graph.node:
        for names, outside in ((node.input, FEATURES), (node.output, OUTPUT)):
            for place, name in enumerate(names):
                if name == outside:
                    names[place] = f"{outside}_half"
    cast_in = helper.make_node("Cast", [FEATURES], [f"{FEATURES}_half"], to=onnx.TensorProto.FLOAT16)
    cast_out = helper.make_node("Cast", [f"{OUTPUT}_half"], [OUTPUT], to=onnx.TensorProto.FLOAT)
    graph.node.insert(0, cast_in)
    graph.node.append(cast_out)


def _shape(tensor: trt.ITensor, rows: int) -> tuple[int, ...]:
    """Its dimensions where N0 is so many rows, and each level has a quarter of the one before."""
    names = [tensor.get_dimension_name(axis) for axis in range(len(tensor.shape))]
    return tuple(
        size if size >= 0 else max(1, rows // 4 ** kind_and_level(name)[1])
        for size, name in zip(tensor.shape, names, strict=True)
    )


if __name__ == "__main__":
    main()
