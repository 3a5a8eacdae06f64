"""Our kernels by their own tests: Triton's on the device, and the plugin's launched through CuPy."""

import subprocess
import sys
from functools import partial

import torch

from tests.bench.gpu.smoke.steps import LeftOutError, Step

_TRITON = "tests/training/networks/sparse/test_triton_conv.py"
_PLUGIN = "tests/cuda/test_sparse_conv_kernel.py"


def steps(device: torch.device) -> list[Step]:
    """Two test files."""
    return [
        Step("Triton's kernels, their tests", partial(_tests, _TRITON)),
        Step("the plugin's kernel through CuPy, its tests", partial(_tests, _PLUGIN)),
    ]


def _tests(path: str, device: torch.device) -> str:
    if device.type != "cuda":
        raise LeftOutError("run by make test where there is no GPU")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", path]
    done = subprocess.run(command, capture_output=True, text=True)
    words = " | ".join(done.stdout.strip().splitlines()[-4:])
    if done.returncode:
        raise RuntimeError(f"{path}: expected every test to pass, found: {words}")
    return words
