"""Time and memory of a pre-training step."""

import resource
from time import perf_counter

import torch

STAGES = ("data", "backbone", "teacher", "sampling_and_loss", "backward", "optimizer")


class StopWatch:
    """Measures the seconds of each stage of a step; on CUDA it waits for the device at every lap."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Assign the time since the last lap to this stage."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Seconds as `seconds/<stage>`, and of the whole step, which ends here."""
        of_stage = {f"seconds/{stage}": self._seconds[stage] for stage in STAGES if stage in self._seconds}
        self._seconds = {}
        return {**of_stage, "step_seconds": sum(of_stage.values())}


def memory_gb() -> float:
    """Peak memory of the process so far, in GB: on the CUDA device if there is one, else in RAM."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # Linux counts in KiB
