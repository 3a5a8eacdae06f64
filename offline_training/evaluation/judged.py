"""What is evaluated: a trained network, of a checkpoint or a model package, and what it does."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline_training.datasets.data_sources import DataSource


@dataclass(frozen=True)
class Judged(ABC):
    """A network that answers samples of data sets."""

    validation: tuple[DataSource, ...]  # the data sets its run was measured on; a package has none

    @abstractmethod
    def metrics(self, sources: Sequence[DataSource]) -> dict[str, Any]:
        """How good its answers are on data sets, one after the other, as JSON values. Raises BadDataset, BadConfig, BadLabels."""

    @abstractmethod
    def table(self, metrics: Mapping[str, Any]) -> str:
        """Metrics as text for people."""

    @abstractmethod
    def write_pictures(self, sources: Sequence[DataSource], folder: Path) -> list[Path]:
        """Draw its answers on some samples of each data set, evenly spread, as PNG into `folder`; returns the files."""
