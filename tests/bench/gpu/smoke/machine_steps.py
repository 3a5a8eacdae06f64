"""The device and what stands on it."""

import importlib.metadata
import importlib.util

import torch

from tests.bench.gpu.smoke.steps import LeftOutError, Step
from tests.bench.peers.known import sides

_PACKAGES = (
    "torch",
    "triton",
    "cupy",
    "cupy-cuda13x",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "onnxruntime-gpu",
    "cuda-bindings",
)


def steps(device: torch.device) -> list[Step]:
    """Three of them."""
    return [Step("device", _device), Step("packages", _packages), Step("sides of the comparison", _sides)]


def _device(device: torch.device) -> str:
    if device.type != "cuda":
        raise LeftOutError("on a CPU")
    about = torch.cuda.get_device_properties(device)
    square = torch.randn(512, 512, device=device)
    torch.testing.assert_close((square @ square).double(), square.double() @ square.double(), rtol=1e-2, atol=1e-1)
    return (
        f"{about.name}, sm_{about.major}{about.minor}, {about.total_memory / 2**30:.0f} GiB, "
        f"{about.multi_processor_count} processors, CUDA {torch.version.cuda}, torch {torch.__version__}"
    )


def _packages(_device: torch.device) -> str:
    return ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)


def _sides(device: torch.device) -> str:
    found = sides(device)
    return f"here: {', '.join(peer.name for peer in found.present)}; not: {', '.join(found.absent)}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
