"""Builds one plan in a process of its own, because TensorRT may abort the process it runs in. Prints a line of JSON for each step.

python -m lidar_vl_core.engines.tensorrt.build_child MODEL.onnx REQUEST.json PLAN [TIMING_CACHE]
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.engines.tensorrt.build_request import THIS, BuildRequest, input_shapes
from lidar_vl_core.engines.tensorrt.module import TensorRt, tensorrt_here
from lidar_vl_core.engines.tensorrt.parse import Messages, inlined, input_dims, parse
from lidar_vl_core.engines.tensorrt_plugin.library import inlined_but_for_plugin, register_plugin
from lidar_vl_core.foundation.errors import EngineUnavailable, LidarVlError
from lidar_vl_core.foundation.files import write_bytes

if TYPE_CHECKING:
    import onnx
    import tensorrt_rtx as trt


def build(request: BuildRequest, content: bytes, timing_cache: Path | None) -> "tuple[trt.IHostMemory, int]":
    """The plan and the number of the network's layers. Raises BadModelPackage, BadRequest, EngineUnavailable."""
    tensorrt = tensorrt_here((request.module,))
    messages = Messages(tensorrt)
    builder: trt.Builder = tensorrt.module.Builder(messages.logger)
    if request.plugin_sha256:
        register_plugin(tensorrt.module, request.plugin_sha256)
    model = inlined_but_for_plugin(content) if request.plugin_sha256 else inlined(content)
    _tell(phase="reading the model")
    network = parse(tensorrt, builder, model, messages)
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.module.BuilderFlag.TF32)  # on by default, and less exact than the float32 it is called
    config.progress_monitor = _monitor(tensorrt)
    _set_targets(tensorrt, config, request.targets)
    _set_profile(builder, config, model, request)
    if timing_cache is not None and not tensorrt.is_rtx:  # RTX has nothing to time
        known = timing_cache.read_bytes() if timing_cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(known), True)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineUnavailable(
            f"plan for {', '.join(request.targets)}: expected one, found: {messages}. Choose other targets, or fp16."
        )
    if timing_cache is not None and not tensorrt.is_rtx:
        write_bytes(timing_cache, bytes(memoryview(config.get_timing_cache().serialize())))
    return plan, network.num_layers


def _set_targets(tensorrt: TensorRt, config: "trt.IBuilderConfig", targets: tuple[str, ...]) -> None:
    """Without any, the module tensorrt builds for the GPU that is here."""
    if not tensorrt.is_rtx:
        return
    capability = tensorrt.module.ComputeCapability
    config.num_compute_capabilities = len(targets)
    for number, target in enumerate(targets):
        wanted = capability.CURRENT if target == THIS else getattr(capability, target.upper())
        if not config.set_compute_capability(wanted, number):
            raise EngineUnavailable(f"target {target}: expected one this {tensorrt.name} knows. Choose another target.")


def _set_profile(
    builder: "trt.Builder", config: "trt.IBuilderConfig", model: "onnx.ModelProto", request: BuildRequest
) -> None:
    """One for all inputs; one without would only fail the build at its end."""
    profile = builder.create_optimization_profile()
    for name, (least, usual, most) in input_shapes(input_dims(model), request.rows).items():
        if least != most:
            profile.set_shape(name, least, usual, most)
    if config.add_optimization_profile(profile) < 0:
        raise EngineUnavailable(f"profile {request.rows}: expected one that TensorRT takes. Measure it from clouds.")


def _monitor(tensorrt: TensorRt) -> "trt.IProgressMonitor":
    base = tensorrt.module.IProgressMonitor

    class Monitor(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            _tell(phase=phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            pass

    monitor: trt.IProgressMonitor = Monitor()
    return monitor


def _tell(**said: object) -> None:
    print(json.dumps(said), flush=True)


def main(arguments: list[str]) -> int:
    """Build and write the plan, and report on it."""
    model, request, out, *more = map(Path, arguments)
    try:
        asked = BuildRequest.model_validate_json(request.read_bytes())
        plan, layers = build(asked, model.read_bytes(), more[0] if more else None)
        write_bytes(out, bytes(memoryview(plan)))
    except LidarVlError as error:
        _tell(error=str(error), kind=type(error).__name__)
        return 2
    _tell(layers=layers, plan_bytes=plan.nbytes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
