"""What every data set with boxes is to those who read it, and what the project knows of it as such."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.label_fractions import labelled_frames
from offline_training.datasets.base.source_config import Names, SourceConfig

SourceT = TypeVar("SourceT", bound=SourceConfig)


class BoxSource(Protocol):
    """Clouds with boxes by number, in one class table."""

    classes: ClassTable

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> BoxSample:
        """One sample."""
        ...

    def boxes(self, index: int) -> Boxes3d:
        """The boxes of a sample alone, without its cloud."""
        ...


@dataclass(frozen=True)
class BoxSpec(Generic[SourceT]):
    """How a data set is read for detection. A module in datasets/boxes that has one as BOXES is all that it needs."""

    source: type[SourceT]  # its keys in a configuration, as for its point labels
    classes: tuple[str, ...]  # tables of detection its boxes can be read in, its own first
    open: Callable[[SourceT, Names, ClassTable, int], BoxSource]  # the chosen sequences, and how many sweeps are joined
    are_there: Callable[[SourceT, Names], bool]  # whether boxes lie in its folder, where point labels may lie alone
    most_sweeps: int = 1  # that one sample can hold: 1 where only annotated sweeps are there

    @property
    def kind(self) -> str:
        """Its name in configurations."""
        return self.source.kind_name()


class EveryNthBoxes:
    """Every skip-th sample of a data set with boxes, the first included."""

    def __init__(self, source: BoxSource, skip: int) -> None:
        self.classes = source.classes
        self._source, self._indices = source, labelled_frames(len(source), skip)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> BoxSample:
        """One of the kept samples; raises IndexError beyond the last."""
        return self._source[self._indices[index]]

    def boxes(self, index: int) -> Boxes3d:
        """The boxes of one of the kept samples alone."""
        return self._source.boxes(self._indices[index])
