"""The vehicle's engines with the packages that are shipped: TensorRT built, run and compared, with the plugin too; ONNX Runtime on CUDA."""

import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.machine.build_engine import build_engine
from lidar_vl_core.commands.machine.engine_trial import try_engine
from lidar_vl_core.engines.checked_engine import LIMITS
from lidar_vl_core.engines.tensorrt.module import tensorrt_here
from lidar_vl_core.engines.tensorrt_plugin.build import build as build_plugin
from lidar_vl_core.engines.tensorrt_plugin.library import LIBRARY_VARIABLE
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.package import load_model_package
from tests.bench.core.scan import synthetic_scan
from tests.bench.gpu.smoke.steps import LeftOutError, Step

_PACKAGES = ("demo", "demo_detector")
_CLOUDS, _POINTS = 4, 30_000
_CACHE_VARIABLE = "LIDAR_VL_ENGINES"
_WITHOUT_GPU = "sm86"


def steps(device: torch.device) -> list[Step]:
    """Each engine with each package."""
    return [
        *(Step(f"tensorrt, {name}", partial(_tensorrt, name, False)) for name in _PACKAGES),
        *(Step(f"tensorrt with the plugin, {name}", partial(_tensorrt, name, True)) for name in _PACKAGES),
        *(Step(f"onnxruntime on CUDA, {name}", partial(_compared, name, "onnxruntime_gpu")) for name in _PACKAGES),
    ]


def _tensorrt(name: str, plugin: bool, device: torch.device) -> str:
    """A plan of its own for each step, in a folder of its own, so that no other is found."""
    try:
        module = tensorrt_here().name
    except EngineUnavailable as error:
        raise LeftOutError(str(error)) from error
    with tempfile.TemporaryDirectory() as scratch:
        os.environ[_CACHE_VARIABLE] = scratch
        if plugin:
            targets = (
                (int("".join(map(str, torch.cuda.get_device_capability(device)))),) if device.type == "cuda" else (86,)
            )
            os.environ[LIBRARY_VARIABLE] = str(build_plugin(Path(scratch) / "plugin.so", targets))
        target = "this" if device.type == "cuda" else _WITHOUT_GPU
        package = load_model_package(name)
        built = build_engine(package, target, clouds(), package.manifest.precision, plugin=plugin)
        told = f"{module}: {built.lines()[0]}"
        return f"{told}; {_compared(name, 'tensorrt', device)}" if device.type == "cuda" else f"{told}; not run"


def _compared(name: str, engine: str, device: torch.device) -> str:
    if device.type != "cuda":
        raise LeftOutError("on a CPU")
    package = load_model_package(name)
    try:
        trial = try_engine(package, clouds(), engine)
    except EngineUnavailable as error:
        if engine == "tensorrt":
            raise  # it was built a moment ago
        raise LeftOutError(str(error)) from error
    if trial.problem:
        raise RuntimeError(f"expected answers of {engine}, found: {trial.problem}")
    if not LIMITS[package.manifest.precision].allow(trial.worst):
        raise RuntimeError(f"{engine}: expected the fused engine's answers, found {trial.worst}")
    times = ", ".join(f"{who} {taken['p50']:.1f} ms" for who, taken in trial.network_ms.items())
    return f"{trial.worst}, p50 {times}"


def clouds() -> list[PointCloud]:
    """Parts of a synthetic street, of different sizes."""
    xyz_m = synthetic_scan(np.random.default_rng(0), 32, 1200)
    parts = [xyz_m[: _POINTS - 2_000 * number] for number in range(_CLOUDS)]
    return [PointCloud(part, np.full(len(part), 0.3, np.float32), number, "lidar") for number, part in enumerate(parts)]
