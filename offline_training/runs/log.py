"""What a training run tells: metrics.jsonl for programs, TensorBoard for people. Touches the disk."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from lidar_vl_core.foundation.files import atomic_writer


class Measurement(ABC):
    """The quality of a network on data it is not trained on: a score to choose weights by, and what the log tells."""

    @abstractmethod
    def score(self) -> float:
        """The higher the better; NaN where the data tell nothing."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON values for metrics.jsonl."""

    @abstractmethod
    def curves(self) -> Mapping[str, float]:
        """Numbers for TensorBoard, by name."""

    @abstractmethod
    def pictures(self) -> Mapping[str, Figure]:
        """Images for TensorBoard, by name."""


class RunLog:
    """One line of JSON per step or validation; after a resume the lines of steps that are done anew are gone."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path, self._pictures = folder / "metrics.jsonl", folder / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        _keep_before(self._path, first_step)
        self._tensorboard, self._first_step = folder / "tensorboard", first_step

    @cached_property
    def _writer(self) -> SummaryWriter:
        """Made with the first number: a run whose first scan cannot be read leaves no empty folder."""
        return SummaryWriter(str(self._tensorboard), purge_step=self._first_step)

    def write_start(self, told: Mapping[str, Any]) -> None:
        """Which weights the run began with: `started_from` and what was taken."""
        self._append({**told})

    def write_step(self, step: int, **numbers: float) -> None:
        """Numbers of one optimiser step."""
        self._append({"step": step, **numbers})
        for name, number in numbers.items():
            self._writer.add_scalar(f"train/{name}", number, step)

    def write_validation(self, step: int, measured: Measurement) -> None:
        """Quality after `step` steps."""
        self._append({"validated_after": step, **measured.to_dict()})
        for name, number in measured.curves().items():
            self._writer.add_scalar(name, number, step)
        for name, figure in measured.pictures().items():
            self._writer.add_figure(name, figure, step)
        self._writer.flush()

    def write_picture(self, step: int, name: str, figure: Figure) -> None:
        """An image of the run's state after `step` steps, as PNG in pictures/ and for TensorBoard."""
        with atomic_writer(self._pictures / f"{name}_{step:08d}.png") as file:
            figure.savefig(file, format="png")
        self._writer.add_figure(f"pictures/{name}", figure, step)

    def close(self) -> None:
        """End TensorBoard's thread and files; nothing can be written afterwards."""
        if "_writer" in self.__dict__:
            self._writer.close()

    def _append(self, line: dict) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _keep_before(path: Path, first_step: int) -> None:
    if not path.is_file():
        return
    kept = []
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # the line a kill cut off
        is_start = "started_from" in line and first_step > 0
        if (
            is_start
            or line.get("step", first_step) < first_step
            or line.get("validated_after", first_step + 1) <= first_step
        ):
            kept.append(text)
    path.write_text("".join(text + "\n" for text in kept))
