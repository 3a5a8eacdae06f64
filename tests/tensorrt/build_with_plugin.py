"""python -m tests.tensorrt.build_with_plugin : a plan of the demo model in which plugins compute sparse convolutions. Prints JSON."""

import json
from pathlib import Path

import tensorrt_rtx as trt

from lidar_vl_core.engines.tensorrt_plugin.library import inlined_but_for_plugin, register_plugin
from lidar_vl_core.sparse_model.onnx_form import kind_and_level

DEMO = Path(__file__).parents[2] / "lidar_vl_core" / "models" / "demo" / "model.onnx"
ROWS = (1, 2_000, 4_000)  # of the finest level: least, usual, most


def main() -> None:
    """Register the plugin, parse, build for one target, and tell what came of it."""
    logger = trt.Logger(trt.Logger.WARNING)
    registered = register_plugin(trt)
    model = inlined_but_for_plugin(DEMO.read_bytes())
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


def _shape(tensor: trt.ITensor, rows: int) -> tuple[int, ...]:
    """Its dimensions where N0 is so many rows, and each level has a quarter of the one before."""
    names = [tensor.get_dimension_name(axis) for axis in range(len(tensor.shape))]
    return tuple(
        size if size >= 0 else max(1, rows // 4 ** kind_and_level(name)[1])
        for size, name in zip(tensor.shape, names, strict=True)
    )


if __name__ == "__main__":
    main()
