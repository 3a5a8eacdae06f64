"""ONNX Runtime on a GPU, which stands in where no plan of TensorRT does."""

from types import SimpleNamespace

import pytest

from lidar_vl_core.engines import gpu_engines
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter


class GpuSession:
    """A session of ONNX Runtime that says it is on a GPU, as it is told to."""

    def __init__(self, content: bytes, providers: list[str]) -> None:
        self._session, self._providers = open_onnxruntime(content, 1), providers
        self.raises: Exception | None = None

    def get_providers(self) -> list[str]:
        return self._providers

    def run(self, names, inputs):
        if self.raises is not None:
            raise self.raises
        return self._session.run(names, inputs)


@pytest.fixture
def onnxruntime_on_gpu(plans, monkeypatch):
    """The sessions that were opened with a provider of a GPU, and what they were given; `providers` are those that load."""
    opened = SimpleNamespace(
        sessions=[], asked=[], providers=["CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider"]
    )

    def open_here(content, _threads, provider, _devices):
        opened.asked.append(provider)
        opened.sessions.append(GpuSession(content, opened.providers))
        return opened.sessions[-1]

    monkeypatch.setattr(gpu_engines, "onnxruntime_gpu_provider", lambda: opened.providers[0])
    monkeypatch.setattr("lidar_vl_core.engines.onnxruntime_gpu.open_onnxruntime", open_here)
    return opened


def test_where_only_onnx_runtime_has_the_gpu_auto_takes_that(onnxruntime_on_gpu, tiny_package):
    segmenter = Segmenter(load_model_package(tiny_package), "auto", threads=1)
    segmenter.warm_up()
    assert (segmenter.engine_name, segmenter.engine_problem) == ("onnxruntime_gpu", "")
    assert onnxruntime_on_gpu.asked == [("CUDAExecutionProvider", {})]
    onnxruntime_on_gpu.sessions[0].raises = RuntimeError("CUDA failure 2: out of memory")
    segmenter.warm_up()
    assert segmenter.engine_name == "fused"
    assert "CUDAExecutionProvider to run the model, found: CUDA failure 2: out of memory" in segmenter.engine_problem


def test_a_provider_that_did_not_load_is_none(onnxruntime_on_gpu, tiny_package, monkeypatch):
    package = load_model_package(tiny_package)
    monkeypatch.setattr(gpu_engines, "onnxruntime_gpu_provider", lambda: "CUDAExecutionProvider")
    onnxruntime_on_gpu.providers = ["CPUExecutionProvider"]
    with pytest.raises(EngineUnavailable, match=r"engine onnxruntime_gpu: expected CUDAExecutionProvider .* left out"):
        Segmenter(package, "onnxruntime_gpu")
    assert Segmenter(package, "auto").engine_name == "fused"


def test_the_rtx_provider_gets_the_sizes_that_were_measured(onnxruntime_on_gpu, plans, tiny_package):
    add, _, _ = plans
    package = load_model_package(tiny_package)
    onnxruntime_on_gpu.providers = ["NvTensorRTRTXExecutionProvider"]
    with pytest.raises(EngineUnavailable, match=r"expected rows measured for tiny, .*lidar-vl build-engine"):
        Segmenter(package, "onnxruntime_gpu")
    add(package, most=5000)
    assert Segmenter(package, "onnxruntime_gpu").engine_name == "onnxruntime_gpu"
    (_, options) = onnxruntime_on_gpu.asked[-1]
    assert options["nv_profile_max_shapes"].startswith("features:5000x4,subm0:5000x27")
    assert options["nv_profile_min_shapes"].endswith("up1:1")
