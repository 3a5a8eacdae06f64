"""Which TensorRT this machine has: the module `tensorrt_rtx` (RTX cards) or `tensorrt` (Jetson, data centre). Imports it."""

import importlib
from dataclasses import dataclass
from types import ModuleType

from lidar_vl_core.foundation.errors import EngineUnavailable

MODULES = ("tensorrt_rtx", "tensorrt")
_OLDEST = {"tensorrt_rtx": 1, "tensorrt": 10}  # major versions; before 10 networks cannot be strongly typed


@dataclass(frozen=True)
class TensorRt:
    """One of the two modules, which share one API."""

    name: str
    version: str
    module: ModuleType

    @property
    def is_rtx(self) -> bool:
        """Whether plans are built for a list of targets, without a GPU; else for the GPU of the machine that builds."""
        return self.name == "tensorrt_rtx"


def tensorrt_here(names: tuple[str, ...] = MODULES) -> TensorRt:
    """The first of the modules that can be imported. Raises EngineUnavailable where there is none, or an old one."""
    reasons = []
    for name in names:
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:  # OSError: its libraries are not where it looks for them
            reasons.append(" ".join(str(error).split())[:200])
            continue
        version = str(module.__version__)
        if int(version.partition(".")[0]) < _OLDEST[name]:
            reasons.append(f"{name} {version}, which is older than {_OLDEST[name]}")
            continue
        return TensorRt(name, version, module)
    raise EngineUnavailable(
        f"engine tensorrt: expected the module {' or '.join(names)}, found: {'; '.join(reasons)}. Use engine fused, or install it: "
        "pip install 'lidar-vl[tensorrt]' for RTX cards, NVIDIA's own packages elsewhere."
    )
