"""Times of things that take turns: by CUDA's events on a GPU, by the process's clock on a CPU."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

Run = Callable[[], Any]


def interleaved_ms(
    runs: Mapping[str, Run], device: torch.device, repeats: int = 7, warm_ups: int = 3
) -> dict[str, list[float]]:
    """Milliseconds of each, in turn again and again, so that a busy moment meets all of them."""
    for run in runs.values():
        for _ in range(warm_ups):
            run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            taken[name].append(once_ms(run, device))
    return taken


def once_ms(run: Run, device: torch.device) -> float:
    """From an idle device to an idle device: what the host does between the kernels counts."""
    if device.type != "cuda":
        started_s = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - started_s)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize(device)
    begin.record()
    run()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end)


def peak_mib(run: Run, device: torch.device) -> float | None:
    """Most memory that a run allocates above what stood there before, or nothing on a CPU."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20
