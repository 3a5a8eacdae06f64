"""What a pre-training run tells: its losses and numbers, pictures, and where the time of each step went. Touches the disk."""

import resource
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import torch
from matplotlib.figure import Figure

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.files import atomic_writer
from offline_training.runs.log import RunLog

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
        self._seconds[stage] = now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Seconds by `seconds/<stage>`, and of the whole step."""
        of_stage = {f"seconds/{stage}": self._seconds[stage] for stage in STAGES if stage in self._seconds}
        return {**of_stage, "step_seconds": sum(of_stage.values())}


class PretrainLog:
    """metrics.jsonl and TensorBoard of a run, and its pictures as PNG."""

    def __init__(self, folder: Path, classes: ClassTable, first_step: int) -> None:
        self._log = RunLog(folder, classes, first_step)
        self._pictures = folder / "pictures"

    def write_step(
        self, step: int, losses: Mapping[str, float], numbers: Mapping[str, float], seconds: Mapping[str, float]
    ) -> None:
        """Numbers of one optimiser step."""
        self._log.write_step(step, **losses, **numbers, **seconds)

    def write_picture(self, step: int, name: str, figure: Figure) -> None:
        """A figure after `step` steps."""
        with atomic_writer(self._pictures / f"{name}_{step:08d}.png") as file:
            figure.savefig(file, format="png")
        self._log.write_figure(step, name, figure)

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        self._log.close()


def memory_gb() -> float:
    """Most memory the process has had so far: of the CUDA device where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # Linux counts in KiB
