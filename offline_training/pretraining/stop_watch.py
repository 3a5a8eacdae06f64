"""Where the time and the memory of a step of pre-training went."""

import resource
from time import perf_counter

import torch

STAGES = ("data", "backbone", "teacher", "sampling_and_loss", "backward", "optimizer")


class StopWatch:
    """Seconds of each stage of a step; on CUDA it waits for the device at every lap."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """What came since the last lap was this stage."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Seconds by `seconds/<stage>`, and of the whole step, which ends with it."""
        of_stage = {f"seconds/{stage}": self._seconds[stage] for stage in STAGES if stage in self._seconds}
        self._seconds = {}
        return {**of_stage, "step_seconds": sum(of_stage.values())}


def memory_gb() -> float:
    """Most memory the process has had so far: of the CUDA device where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # Linux counts in KiB
