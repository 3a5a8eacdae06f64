"""DataSetSpec: all that the project knows of one data set. Each data set's module has its own as SPEC."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import Names, SequencesSource, SourceConfig, SplitSource

SourceT = TypeVar("SourceT", bound=SourceConfig)
Splits = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class DataSetSpec(Generic[SourceT]):
    """One data set. A module in datasets/lidar or datasets/rgbd that has one as SPEC is all that a new data set needs."""

    source: type[SourceT]  # its keys in a configuration
    what: str  # it is, in a line
    layout: Layout
    classes: tuple[str, ...]  # class tables its labels can be read in, its own first
    open: Callable[[SourceT, Names, ClassTable], SampleSource]  # the chosen sequences are given: splits are resolved
    splits: Splits = field(default_factory=dict)  # official ones: names of sequences, scenes, folders or lists
    thins_scenes: bool = False  # by label_skip, when it is opened; others are thinned by frame
    made_files: str | None = None  # of a data set that makes itself: what its folder holds then, as a pattern

    quick_look: Callable[[SourceT], object] | None = None  # is it there, where to open it takes long; raises BadDataset

    # For check-data, where it can tell more than the number of samples.
    counts: Callable[[SourceT, Any, Splits], Iterator[str]] | None = None  # lines on what is there, for the opened set
    first_look: Callable[[SourceT], tuple[Iterable[str], SourceT]] | None = None  # lines, and the part to open
    classes_of: Callable[[SourceT], str] | None = None  # the class table, where keys or folder decide

    @property
    def kind(self) -> str:
        """Its name in configurations."""
        return self.source.kind_name()

    def official_split(self, name: str) -> tuple[str, ...]:
        """The parts of an official split, as its reader names them; raises BadConfig with the splits there are."""
        if name not in self.splits:
            there = ", ".join(self.splits) or "none for this data set"
            raise BadConfig(
                f"split of {self.kind}: expected one of its official splits ({there}), found {name!r}. "
                f"Name `sequences` instead.{did_you_mean(name, self.splits)}"
            )
        return self.splits[name]

    def chosen_sequences(self, source: SourceT) -> Names:
        """The sequences a source names itself or by its split, None = all; raises BadConfig when it names both."""
        sequences = source.sequences if isinstance(source, SequencesSource) else None
        split = source.split if isinstance(source, SplitSource) else None
        if split is None:
            return sequences
        if sequences is not None:
            raise BadConfig(
                f"data set {self.kind}: expected `split` or `sequences`, found both. Leave one of them out."
            )
        return self.official_split(split)


def by_sequences(
    reader: Callable[[Path, Names, Names, ClassTable], SampleSource],
) -> Callable[[SequencesSource, Names, ClassTable], SampleSource]:
    """How to open a data set whose reader takes its folder, sequences, frames and classes."""
    return lambda source, sequences, classes: reader(Path(source.folder), sequences, source.frames, classes)
