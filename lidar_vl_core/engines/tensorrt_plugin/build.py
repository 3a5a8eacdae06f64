"""The TensorRT plugin, compiled into one library. Starts a compiler; `make plugin` calls it.

nvcc is taken from PyPI's packages (extra `plugin`), else from the PATH; no GPU is needed. With TensorRT's C++ headers the library
has the plugin itself, for TensorRT in C++ or Python; without them the kernel alone, which Python registers as a plugin.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core.engines.tensorrt_plugin.library import BUILT
from lidar_vl_core.foundation.errors import EngineUnavailable

SOURCES = Path(__file__).parent / "sources"
TARGETS = (80, 86, 87, 89, 90, 120)  # A100, RTX 30, Orin, RTX 40, H100, RTX 50
_HEADER_FOLDERS = ("/usr/include", "/usr/include/aarch64-linux-gnu", "/usr/include/x86_64-linux-gnu")
_OPTIONS = (
    "-std=c++17",
    "-O3",
    "-Xcompiler=-fPIC,-Wall",
    "-shared",
    "--cudart=static",
    "--cudadevrt=none",
    "--threads=0",
)


def nvcc_here() -> Path:
    """CUDA's compiler. Raises EngineUnavailable where there is none."""
    packages = importlib.util.find_spec("nvidia")
    folders = [] if packages is None else list(packages.submodule_search_locations or ())
    wheels = sorted(found for folder in folders for found in Path(folder).glob("cu*/bin/nvcc"))
    on_path = shutil.which("nvcc")
    if wheels:
        return wheels[-1]
    if on_path is None:
        raise EngineUnavailable(
            "nvcc: expected CUDA's compiler, found none. Install it: pip install 'lidar-vl[plugin]'."
        )
    return Path(on_path)


def tensorrt_headers() -> Path | None:
    """TensorRT's C++ headers: in the folder TENSORRT_INCLUDE, else where NVIDIA's packages put them.

    Raises EngineUnavailable where the folder that is named has none.
    """
    named = os.environ.get("TENSORRT_INCLUDE")
    places = [Path(place) for place in ([named] if named else _HEADER_FOLDERS)]
    found = next((place for place in places if (place / "NvInferRuntime.h").is_file()), None)
    if named and found is None:
        raise EngineUnavailable(f"TENSORRT_INCLUDE: expected the folder of NvInferRuntime.h, found {named} without it.")
    return found


def build(out: Path = BUILT, targets: Sequence[int] = TARGETS, headers: Path | None = None) -> Path:
    """Compile the library for these compute capabilities (86 is 8.6). Raises EngineUnavailable with what the compiler said."""
    nvcc = nvcc_here()
    sources = ["sparse_conv.cu"] if headers is None else ["sparse_conv.cu", "plugin.cpp"]
    command = [str(nvcc), *_OPTIONS, *(f"-gencode=arch=compute_{target},code=sm_{target}" for target in targets)]
    libraries = nvcc.parents[1] / "lib"  # where PyPI's packages have what nvcc looks for in lib64
    command += [f"-L{libraries}"] if libraries.is_dir() else []
    command += [] if headers is None else [f"-I{headers}", "-Xcompiler=-Wno-deprecated-declarations"]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lidar_vl_plugin_", dir=out.parent) as scratch:
        part = Path(scratch) / out.name
        command += [*(str(SOURCES / name) for name in sources), "-o", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-1000:]
            raise EngineUnavailable(f"{nvcc}: expected it to compile the plugin, found error {done.returncode}: {said}")
        part.replace(out)
    return out
