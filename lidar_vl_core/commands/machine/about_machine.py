"""What this machine can run: processor, GPU, model runtimes, ROS. Reads the machine's description, imports what is there."""

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from lidar_vl_core.engines.gpu_engines import onnxruntime_gpu_provider
from lidar_vl_core.engines.tensorrt.gpu import require_gpu
from lidar_vl_core.engines.tensorrt.module import MODULES, tensorrt_here
from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.foundation.threads import available_cores, machine_cores
from lidar_vl_core.foundation.version import version_line

# Of the processor's flags, those that the engines make use of, from the least to the fastest.
_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "asimd")
_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "CYCLONEDDS_URI")
_RECEIVE_BUFFER = Path("/proc/sys/net/core/rmem_max")

About = dict[str, dict[str, str]]  # what is found, by section and name


def about_machine() -> About:
    """What is here, in words; for what is not, why."""
    return {
        "software": {"lidar-vl": version_line("lidar-vl"), "numba": _version("numba"), "onnx": _version("onnx")},
        "processor": _processor(),
        "GPU": _gpu(),
        "TensorRT": _tensorrt(PlanCache()),
        "ONNX Runtime": _onnxruntime(),
        "ROS": _ros(),
    }


def about_lines(about: About) -> list[str]:
    """The description as lines for a terminal."""
    width = max(len(name) for section in about.values() for name in section)
    lines = []
    for title, section in about.items():
        lines += [title, *(f"  {name:<{width}}  {found}" for name, found in section.items())]
    return lines


def _processor() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = set((told.get("flags") or told.get("Features") or "").split())
    return {
        "model": told.get("model name") or "unknown",
        "cores": f"{available_cores()} of {machine_cores()} may be used",
        "vector instructions": ", ".join(name for name in _FLAGS if name in flags) or "none that the engines use",
    }


def _gpu() -> dict[str, str]:
    def found() -> str:
        gpu = require_gpu()
        return f"{gpu.name}, {gpu.memory_bytes / 2**30:.0f} GiB"

    return {"CUDA": _or_why(found), "cuda-bindings": _version("cuda-bindings")}


def _tensorrt(cache: PlanCache) -> dict[str, str]:
    def module(name: str) -> str:
        return tensorrt_here((name,)).version if find_spec(name) is not None else "not installed"

    plans = len(list(cache.folder.glob("*.plan")))
    return {name: _or_why(lambda name=name: module(name)) for name in MODULES} | {  # type: ignore[misc]
        "plans": f"{plans} in {cache.folder}"
    }


def _onnxruntime() -> dict[str, str]:
    import onnxruntime

    providers = ", ".join(onnxruntime.get_available_providers())
    return {"version": onnxruntime.__version__, "providers": providers, "on a GPU": _or_why(onnxruntime_gpu_provider)}


def _ros() -> dict[str, str]:
    try:
        receive = f"{int(_RECEIVE_BUFFER.read_text()) / 1e6:.1f} MB, the most a socket can request"
    except (OSError, ValueError):
        receive = "unknown"
    profiles = [f"{name}={os.environ[name]}" for name in _PROFILES if os.environ.get(name)]
    missing = [each for each in profiles if each.partition("=")[2].startswith("/") and not _is_file(each)]
    return {
        "distribution": os.environ.get("ROS_DISTRO") or "not set (ROS_DISTRO)",
        "rclpy": "there" if find_spec("rclpy") is not None else "not installed",
        "vision_msgs": "there" if find_spec("vision_msgs") is not None else "not installed, so no Detection3DArray",
        "middleware": os.environ.get("RMW_IMPLEMENTATION") or "the default (RMW_IMPLEMENTATION is not set)",
        "middleware profile": ", ".join(profiles) + (", WHICH IS NOT A FILE" if missing else "")
        if profiles
        else "none set; the launch files set their own for large clouds",
        "receive buffer": receive,
    }


def _is_file(setting: str) -> bool:
    return Path(setting.partition("=")[2]).is_file()


def _or_why(found: Callable[[], str]) -> str:
    try:
        return found()
    except EngineUnavailable as error:
        return f"no: {error}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
