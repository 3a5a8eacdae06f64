"""What is evaluated: a trained network, of a checkpoint or a model package, and what it does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from offline_training.datasets.data_sources import DataSource

PYTORCH = "PyTorch"


class _Robot(Protocol):
    @property
    def engine_name(self) -> str: ...
    @property
    def engine_problem(self) -> str: ...


@dataclass(frozen=True)
class Judged(ABC):
    """A network that answers samples of data sets."""

    validation: tuple[DataSource, ...]  # the data sets its run was measured on; a package has none
    computed_by: Callable[[], str]  # asked afterwards, as an engine may be replaced while it works

    @abstractmethod
    def metrics(self, sources: Sequence[DataSource]) -> dict[str, Any]:
        """How good its answers are on data sets, one after the other, as JSON values. Raises BadDataset, BadConfig, BadLabels."""

    @abstractmethod
    def table(self, metrics: Mapping[str, Any]) -> str:
        """Metrics as text for people."""

    @abstractmethod
    def write_pictures(self, sources: Sequence[DataSource], folder: Path) -> list[Path]:
        """Draw its answers on some samples of each data set, evenly spread, as PNG into `folder`; returns the files."""


def told_engine(robot: _Robot) -> str:
    """What computes a package, and why not what was asked for, where it does not."""
    return f"{robot.engine_name}: {robot.engine_problem}" if robot.engine_problem else robot.engine_name
