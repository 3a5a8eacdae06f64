"""NVIDIA's RTX provider as a plug-in beside ONNX Runtime: found, loaded once, and given the GPUs it takes; the CPU stands in for them."""

import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from lidar_vl_core.engines import gpu_engines, onnxruntime_gpu
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package

CPU = "CPUExecutionProvider"
TAKES_PLUG_INS = hasattr(onnxruntime, "register_execution_provider_library")


@pytest.fixture
def plug_in(monkeypatch):
    """The package installed on a machine with a GPU; `loaded` are the libraries that ONNX Runtime was told to load."""
    if not TAKES_PLUG_INS:
        pytest.skip(f"ONNX Runtime {onnxruntime.__version__} loads no plug-ins")
    found = SimpleNamespace(loaded=[], fails=None)

    def load(name, library):
        if found.fails is not None:
            raise found.fails
        found.loaded.append((name, library))

    package = SimpleNamespace(get_library_path=lambda: f"plug_in_{id(found)}.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", package)
    monkeypatch.setattr("onnxruntime.register_execution_provider_library", load)
    monkeypatch.setattr(onnxruntime_gpu, "RTX", CPU)  # whose device is there
    monkeypatch.setattr(onnxruntime_gpu, "PROVIDERS", ("CUDAExecutionProvider",))
    monkeypatch.setattr(gpu_engines, "may_have_gpu", lambda: True)
    return found


def test_the_plug_in_is_loaded_once_and_computes_on_its_devices(plug_in, tiny_package, monkeypatch):
    package = load_model_package(tiny_package)
    monkeypatch.setattr(onnxruntime_gpu, "_profile", lambda _: {})
    sessions = [onnxruntime_gpu.OnnxRuntimeOnGpu(package, 1, gpu_engines.onnxruntime_gpu_provider()) for _ in range(2)]
    assert [name for name, _ in plug_in.loaded] == [CPU]
    plain = open_onnxruntime(package.onnx_bytes(), 1)
    inputs = {
        value.name: np.zeros([size if isinstance(size, int) else 1 for size in value.shape], np.int32)
        for value in plain.get_inputs()
    }
    inputs["features"] = np.ones((1, 4), np.float32)
    outputs = [value.name for value in plain.get_outputs()]
    for session in sessions:
        np.testing.assert_array_equal(session.run(outputs, inputs)[0], plain.run(outputs, inputs)[0])


def test_a_plug_in_that_does_not_load_says_why(plug_in):
    plug_in.fails = RuntimeError("libcuda.so.1: cannot open shared object file")
    with pytest.raises(EngineUnavailable, match=r"to run the model, found: libcuda\.so\.1: cannot open shared object"):
        gpu_engines.onnxruntime_gpu_provider()


def test_without_a_gpu_for_it_or_without_the_plug_in_there_is_no_provider(plug_in, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_ep_devices", list)
    with pytest.raises(EngineUnavailable, match="onnxruntime-ep-nv-tensorrt-rtx-cu13 beside it"):
        gpu_engines.onnxruntime_gpu_provider()
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", None)  # as if not installed
    assert onnxruntime_gpu.rtx_devices() == ()
    assert len(plug_in.loaded) == 1


def test_an_onnx_runtime_that_loads_no_plug_ins_is_told_by_its_version(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", SimpleNamespace(get_library_path=lambda: "plug_in.so")
    )
    monkeypatch.delattr("onnxruntime.register_execution_provider_library", raising=False)
    with pytest.raises(EngineUnavailable, match=r"found: ONNX Runtime [\d.]+, which loads no plug-ins: 1\.24 does"):
        onnxruntime_gpu.rtx_devices()
