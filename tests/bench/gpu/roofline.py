"""What this GPU does at best: matrix products by precision, and copies within its memory."""

from typing import Any

import torch

from tests.bench.gpu.bench import PRECISIONS, Bench, precision
from tests.bench.gpu.clock import interleaved_ms
from tests.bench.report.timing import measured_row as row

_SIDE = {"cuda": 8192, "cpu": 512}
_COPIED_MIB = {"cuda": 1024, "cpu": 64}


def measure(bench: Bench) -> list[dict[str, Any]]:
    """TFLOP/s and GB/s; a copy reads and writes."""
    side = _SIDE[bench.device.type]
    rows = []
    for name, dtype in PRECISIONS.items():
        a, b = (torch.randn(side, side, device=bench.device).to(dtype) for _ in range(2))
        with precision(name):
            taken = interleaved_ms({"": lambda a=a, b=b: a @ b}, bench.device, bench.repeats)[""]
        rates = [2 * side**3 / (ms * 1e9) for ms in taken]
        rows.append(row(f"matrix product {side}^3, {name}", rates, "TFLOP/s", kind="roof", what=name))
    source = torch.empty(_COPIED_MIB[bench.device.type] * 2**20, dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    taken = interleaved_ms({"": lambda: target.copy_(source)}, bench.device, bench.repeats)[""]
    rates = [2 * source.numel() / (ms * 1e6) for ms in taken]
    return [*rows, row("copy within memory", rates, "GB/s", kind="roof", what="copy")]
