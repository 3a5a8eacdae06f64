"""What a pre-training run tells beyond its losses: pairs, concentrations, and where the time of each step went. Touches the disk."""

import resource
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.files import atomic_writer
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.pretraining.views.two_views import TwoViewBatch
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

    def __init__(self, folder: Path, classes: ClassTable, weak_classes: tuple[str, ...], first_step: int) -> None:
        self._log = RunLog(folder, classes, first_step)
        self._pictures, self._weak_classes = folder / "pictures", weak_classes

    def write_step(
        self,
        step: int,
        losses: Mapping[str, float],
        numbers: Mapping[str, float],
        kappa: Tensor | None,
        seconds: Mapping[str, float],
    ) -> None:
        """Numbers of one optimiser step."""
        of_class = {} if kappa is None else dict(zip(self._weak_classes, kappa.tolist(), strict=True))
        kappas = {f"kappa/{name}": value for name, value in of_class.items() if value > 0.0}
        self._log.write_step(step, **losses, **numbers, **kappas, **seconds)

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


def batch_numbers(batch: PretrainBatch | TwoViewBatch) -> dict[str, float]:
    """How much a batch holds."""
    if isinstance(batch, TwoViewBatch):
        return {"rows": batch.inputs.row_count + batch.other.row_count, "matches": len(batch.match)}
    labelled = int((batch.pair_class != IGNORE_ID).sum())
    return {"rows": batch.inputs.row_count, "pairs": len(batch.pair_row), "labelled_pairs": labelled}
