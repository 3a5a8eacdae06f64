"""The plan that this machine can run of a package, of those that were built. Reads the cache."""

from lidar_vl_core.engines.tensorrt.build_request import THIS, BuildRequest, Part
from lidar_vl_core.engines.tensorrt.cuda import Cuda
from lidar_vl_core.engines.tensorrt.gpu import Gpu, require_gpu
from lidar_vl_core.engines.tensorrt.module import MODULES, TensorRt, tensorrt_here
from lidar_vl_core.engines.tensorrt.network import TensorRtNetwork
from lidar_vl_core.engines.tensorrt.plan_cache import CachedPlan, PlanCache
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.manifest import MODEL
from lidar_vl_core.model_packages.package import ModelPackage


def open_plan(package: ModelPackage, cache: PlanCache | None = None, cuda: Cuda | None = None) -> TensorRtNetwork:
    """The network of a package, on the GPU. Raises EngineUnavailable without TensorRT, GPU or a plan for both."""
    installed = _installed()
    try:
        gpu = require_gpu(cuda)
    except EngineUnavailable as error:
        raise EngineUnavailable(f"engine tensorrt: {error}") from error
    plan, tensorrt = _fitting(package, cache or PlanCache(), installed, gpu)
    request = plan.note.request
    if request.plugin_sha256:
        from lidar_vl_core.engines.tensorrt_plugin.library import register_plugin

        register_plugin(tensorrt.module, request.plugin_sha256)
    return TensorRtNetwork(tensorrt, plan.content(), plan.note.inputs, request.rows, plan.runtime_cache, cuda)


def _installed() -> list[TensorRt]:
    """Both modules may be there. Raises EngineUnavailable where none is."""
    found = []
    for name in MODULES:
        try:
            found.append(tensorrt_here((name,)))
        except EngineUnavailable:
            continue
    return found or [tensorrt_here()]


def _fitting(
    package: ModelPackage, cache: PlanCache, installed: list[TensorRt], gpu: Gpu
) -> tuple[CachedPlan, TensorRt]:
    """The latest plan of this model for a module and version that is here, and for this GPU."""
    part: Part = "whole" if package.manifest.language is None else "trunk"
    plans = cache.of_model(package.manifest.files[MODEL], part)
    for plan in plans:
        request = plan.note.request
        for tensorrt in installed:
            if (request.module, request.version) == (tensorrt.name, tensorrt.version) and _runs_on(request, gpu):
                return plan, tensorrt
    here = ", ".join(f"{each.name} {each.version}" for each in installed)
    others = ", ".join(
        f"{each.note.request.module} {each.note.request.version} for {', '.join(each.note.request.targets)}"
        for each in plans
    )
    raise EngineUnavailable(
        f"engine tensorrt: expected a plan of {package.manifest.name} in {cache.folder} for {here} on {gpu.name}, found "
        f"{others or 'none'}. Build it: `lidar-vl build-engine {package.path} --target this --clouds RECORDING`."
    )


def _runs_on(request: BuildRequest, gpu: Gpu) -> bool:
    return request.gpu == gpu.name if request.targets == (THIS,) else gpu.target in request.targets
