"""What a measured part is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tests.bench.peers.known import Sides

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Largest difference from the reference in float32, as a share of its largest value, by what the rounding explains.
LIMITS = {"fp32": 1e-4, "tf32": 5e-3, "bf16": 5e-2, "fp16": 1e-2}
NETWORK_LIMIT = 3.0  # times a layer's: the errors of some fifty layers


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark."""

    device: torch.device
    sides: Sides
    voxels: tuple[int, ...] = (10_000, 30_000, 60_000, 100_000, 300_000)
    points: tuple[int, ...] = (35_000, 168_000)
    network: str = "minkunet_18a"
    precision: str = "fp16"
    repeats: int = 7
    latencies: int = 200  # runs of which percentiles are taken

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and weights."""
        return PRECISIONS[self.precision]


@contextmanager
def precision(name: str) -> Iterator[None]:
    """float32 through TF32 for tf32 alone; as before afterwards."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    word = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = name == "tf32"
        yield
    finally:
        torch.set_float32_matmul_precision(word)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
