"""What every data set is to those who read it: samples by number."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from lidar_vl_core.classes.class_table import ClassTable
from offline_training.datasets.base.label_fractions import labelled_frames
from offline_training.datasets.base.sample import Sample


class SampleSource(Protocol):
    """What every data set is: samples by number, in one class table."""

    classes: ClassTable

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
        ...


@runtime_checkable
class MadeSource(Protocol):
    """A data set that makes its own files."""

    def prepare(self, workers: int = 1, on_progress: Callable[[int], None] | None = None) -> None:
        """Make all that is missing, in `workers` processes; `on_progress` hears how many samples have come."""
        ...


@runtime_checkable
class NotedSource(Protocol):
    """A data set that repairs known faults of its files, and tells where."""

    def notes(self, index: int) -> list[str]:
        """What was repaired in the files of a sample, a line each."""
        ...


class EveryNth:
    """Every skip-th sample of a data set, the first included."""

    def __init__(self, source: SampleSource, skip: int) -> None:
        self.classes = source.classes
        self._source, self._indices = source, labelled_frames(len(source), skip)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        """One of the kept samples; raises IndexError beyond the last."""
        return self._source[self._indices[index]]
