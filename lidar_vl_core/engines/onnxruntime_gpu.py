"""ONNX Runtime on a GPU: whole model files by its CUDA or its RTX provider. Never run on a GPU where it was written."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.engines.tensorrt.package_part import package_part
from lidar_vl_core.foundation.errors import EngineUnavailable

if TYPE_CHECKING:
    import onnxruntime

    from lidar_vl_core.model_packages.package import ModelPackage

CUDA, RTX = "CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider"
PROVIDERS = (CUDA, RTX)  # in the order they are taken
_PLUG_IN = "onnxruntime_ep_nv_tensorrt_rtx"  # NVIDIA's package that adds RTX to any ONNX Runtime from 1.24 on


class OnnxRuntimeOnGpu:
    """A session whose failures are EngineUnavailable, so that another engine can take over."""

    def __init__(self, package: "ModelPackage", threads: int, provider: str) -> None:
        """Raises EngineUnavailable where the provider does not load, which ONNX Runtime ignores silently."""
        options = _profile(package) if provider == RTX else {}
        devices = rtx_devices() if provider == RTX else ()
        try:
            self._session = open_onnxruntime(package_part(package)[1], threads, (provider, options), devices)
        except Exception as error:  # onnxruntime raises a class of its own for every cause
            raise _failed(provider, error) from error
        if provider not in self._session.get_providers():
            raise _failed(provider, "that it was left out: its CUDA libraries are missing, or of another version")
        self._provider = provider

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names, inputs and outputs in the shapes of the model file. Raises EngineUnavailable."""
        try:
            answers: list[np.ndarray] = self._session.run(list(names), dict(inputs))
        except Exception as error:
            raise _failed(self._provider, error) from error
        return answers


def rtx_devices() -> "tuple[onnxruntime.OrtEpDevice, ...]":
    """The GPUs that the RTX plug-in takes; none where it is not installed. Raises EngineUnavailable where it does not load."""
    try:
        library: str = importlib.import_module(_PLUG_IN).get_library_path()
    except ImportError:
        return ()
    import onnxruntime

    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise _failed(RTX, f"ONNX Runtime {onnxruntime.__version__}, which loads no plug-ins: 1.24 does")
    try:
        _register(library)
    except Exception as error:
        raise _failed(RTX, error) from error
    return tuple(device for device in onnxruntime.get_ep_devices() if device.ep_name == RTX)


@cache
def _register(library: str) -> None:
    """Load a plug-in; ONNX Runtime refuses to load it twice."""
    import onnxruntime

    onnxruntime.register_execution_provider_library(RTX, library)


def _profile(package: "ModelPackage") -> dict[str, str]:
    """Sizes of all inputs for the RTX provider, which else takes 32767 rows at most: those a plan was measured for.

    Raises EngineUnavailable where none was.
    """
    from lidar_vl_core.engines.tensorrt.build_request import Part, input_shapes
    from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache
    from lidar_vl_core.model_packages.manifest import MODEL

    part: Part = "whole" if package.manifest.language is None else "trunk"
    plans = PlanCache().of_model(package.manifest.files[MODEL], part)
    if not plans:
        raise EngineUnavailable(
            f"engine onnxruntime_gpu: expected rows measured for {package.manifest.name}, which {RTX} needs, found none. "
            "Measure them: `lidar-vl build-engine`."
        )
    shapes = input_shapes(plans[0].note.inputs, plans[0].note.request.rows)
    told = {}
    for which, option in enumerate(("min", "opt", "max")):
        sizes = (f"{name}:{'x'.join(map(str, shape[which]))}" for name, shape in shapes.items())
        told[f"nv_profile_{option}_shapes"] = ",".join(sizes)
    return told


def _failed(provider: str, found: object) -> EngineUnavailable:
    words = " ".join(str(found).split())[:300]
    return EngineUnavailable(
        f"engine onnxruntime_gpu: expected {provider} to run the model, found: {words}. Use engine fused."
    )
