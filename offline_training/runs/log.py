"""What a training run tells: metrics.jsonl for programs, TensorBoard for people. Touches the disk."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import atomic_writer, write_text


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
    """One line of JSON per step or validation; after a resume the lines of steps that are done anew are gone.

    Raises BadRequest where it cannot be written.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path, self._pictures = folder / "metrics.jsonl", folder / "pictures"
        with self._writable():
            folder.mkdir(parents=True, exist_ok=True)
            _keep_before(self._path, first_step)
        self._tensorboard, self._first_step = folder / "tensorboard", first_step

    @cached_property
    def _writer(self) -> SummaryWriter:
        """Made with the first number: a run whose first scan cannot be read leaves no empty folder."""
        return SummaryWriter(str(self._tensorboard), purge_step=self._first_step)

    def write_start(self, told: Mapping[str, Any]) -> None:
        """Which weights the run began with: `started_from` and what was taken."""
        with self._writable():
            self._append({**told})

    def write_step(self, step: int, **numbers: float) -> None:
        """Numbers of one optimiser step."""
        with self._writable():
            self._append({"step": step, **numbers})
            for name, number in numbers.items():
                self._writer.add_scalar(f"train/{name}", number, step)

    def write_validation(self, step: int, measured: Measurement) -> None:
        """Quality after `step` steps."""
        with self._writable():
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
        with self._writable():
            self._writer.add_figure(f"pictures/{name}", figure, step)

    def close(self) -> None:
        """End TensorBoard's thread and files; nothing can be written afterwards."""
        if "_writer" in self.__dict__:
            with self._writable():
                self._writer.close()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Raise BadRequest for a disk that is full, or a folder that cannot be written: the last checkpoint stays."""
        try:
            yield
        except OSError as error:
            raise BadRequest(
                f"{self._path.parent}: the log could not be written: {error}. Free space, or choose another `out`; the same "
                "command resumes from the last checkpoint."
            ) from error

    def _append(self, line: dict) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _keep_before(path: Path, first_step: int) -> None:
    if not path.exists():
        return
    kept = [text for text in path.read_text(errors="replace").splitlines() if _is_before(text, first_step)]
    write_text(path, "".join(text + "\n" for text in kept))


def _is_before(text: str, first_step: int) -> bool:
    """Whether a line tells of what a run that resumes has done; not one that a kill cut off, or that is not the log's."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(line, dict):
        return False
    step, validated_after = line.get("step"), line.get("validated_after")
    return (
        ("started_from" in line and first_step > 0)
        or (isinstance(step, int) and step < first_step)
        or (isinstance(validated_after, int) and validated_after <= first_step)
    )
