"""The engines that run a whole model file on a GPU, and which of them this machine has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lidar_vl_core.foundation.errors import EngineUnavailable

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage

GPU_ENGINES = ("tensorrt", "onnxruntime_gpu")  # in the order that "auto" takes them
_DEVICES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/dxg")  # cards, Jetsons, WSL


class ModelRunner(Protocol):
    """Runs a model file: as an ONNX Runtime session does."""

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names; inputs and outputs have the shapes of the model file."""
        ...


class GpuEngine(NamedTuple):
    """An engine that was found."""

    name: str
    runner: ModelRunner


def open_gpu_engine(engine: str, package: "ModelPackage", threads: int) -> GpuEngine | None:
    """The engine of that name; for "auto" the first that can run here; None for one of the CPU.

    Raises EngineUnavailable where a named one cannot run here.
    """
    if engine in GPU_ENGINES:
        return GpuEngine(engine, _open(engine, package, threads))
    if engine != "auto" or not may_have_gpu():
        return None
    for name in GPU_ENGINES:
        try:
            return GpuEngine(name, _open(name, package, threads))
        except EngineUnavailable:  # `lidar-vl doctor` tells why
            continue
    return None


def may_have_gpu() -> bool:
    """Whether NVIDIA's driver is there; without it nothing heavy is imported to find none."""
    return any(Path(device).exists() for device in _DEVICES)


def _open(engine: str, package: "ModelPackage", threads: int) -> ModelRunner:
    if engine == "tensorrt":
        from lidar_vl_core.engines.tensorrt.open_plan import open_plan

        return open_plan(package)
    from lidar_vl_core.engines.onnxruntime_gpu import OnnxRuntimeOnGpu

    return OnnxRuntimeOnGpu(package, threads, onnxruntime_gpu_provider())


def onnxruntime_gpu_provider() -> str:
    """ONNX Runtime's provider for an NVIDIA GPU. Raises EngineUnavailable where the installed one has none."""
    import onnxruntime

    from lidar_vl_core.engines.onnxruntime_gpu import PROVIDERS, RTX, rtx_devices

    found = onnxruntime.get_available_providers()
    provider = next((name for name in PROVIDERS if name in found), None)
    if provider is None and may_have_gpu() and rtx_devices():
        provider = RTX
    if provider is None or not may_have_gpu():
        cause = f"those of {', '.join(found)}" if provider is None else "no NVIDIA GPU"
        raise EngineUnavailable(
            f"engine onnxruntime_gpu: expected one of {', '.join(PROVIDERS)} and a GPU, found {cause}. Install "
            "onnxruntime-gpu in place of onnxruntime; or, for RTX cards, onnxruntime-ep-nv-tensorrt-rtx-cu13 beside it; or use "
            "engine fused."
        )
    return provider
