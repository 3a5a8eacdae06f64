"""The data sets a run can name, and how each is opened. They are the modules of datasets/lidar and datasets/rgbd."""

import sys
from collections.abc import Iterable
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, RootModel, ValidationInfo

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.config import is_stored, validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.folder_members import by_name, folder_members
from lidar_vl_core.foundation.near_names import did_you_mean
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.datasets import lidar, rgbd
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.sample_source import EveryNth, MadeSource, SampleSource
from offline_training.datasets.base.source_config import SourceConfig

SPECS: tuple[DataSetSpec[Any], ...] = (
    *folder_members(lidar, "SPEC", DataSetSpec),
    *folder_members(rgbd, "SPEC", DataSetSpec),
)
_SPEC_OF = by_name(SPECS, lambda spec: spec.kind)


def _require_equal_weight(source: SourceConfig, info: ValidationInfo) -> SourceConfig:
    if source.weight != 1.0 and not is_stored(info):
        raise ValueError(
            "weight: all scans are drawn equally often here, so a weight other than 1 has no effect; remove it"
        )
    return source


if TYPE_CHECKING:
    DataSource = SourceConfig
    EvenSource = SourceConfig
else:  # in a configuration: the keys of the data set that `kind` names, and no others
    DataSource = Annotated[reduce(or_, (spec.source for spec in SPECS)), Field(discriminator="kind")]
    EvenSource = Annotated[DataSource, AfterValidator(_require_equal_weight)]  # where nothing is drawn by weight


class _AnySource(RootModel[DataSource]):
    """A data source by itself."""


def data_source(content: dict[str, Any], origin: str) -> DataSource:
    """A mapping as the source that its `kind` names. Raises BadConfig naming the origin and every wrong key."""
    return validated(_AnySource, content, origin).root


def data_set_spec(kind: str) -> DataSetSpec[Any]:
    """The data set of that kind; raises BadConfig with the kinds there are."""
    if kind not in _SPEC_OF:
        raise BadConfig(
            f"data set: expected a kind from {', '.join(sorted(_SPEC_OF))}, found {kind!r}."
            f"{did_you_mean(kind, _SPEC_OF)}"
        )
    return _SPEC_OF[kind]


def require_folders(sources: Iterable[DataSource]) -> None:
    """Raise BadDataset for the first source whose folder is missing: told before others are made or a run begins."""
    for source in sources:
        spec = data_set_spec(source.kind)
        if spec.made_files is None and not Path(source.folder).exists():
            raise BadDataset(
                f"{source.folder}: expected the data set {spec.kind} ({spec.layout.line()}), found no such folder or file. "
                "Unpack the data set there, or fix the path."
            )
        if spec.made_files is not None and not any(Path(source.folder).glob(spec.made_files)):
            require_packages(f"data set {spec.kind}, which has not been made yet", "embreex")


def require_data(sources: Iterable[DataSource], classes: ClassTable) -> None:
    """Look whether every data set is there and laid out as it must be, in seconds and without PyTorch; makes nothing.

    Raises BadDataset or BadConfig as open_source() would.
    """
    for source in sources:
        require_folders([source])
        spec = data_set_spec(source.kind)
        if spec.quick_look is not None:
            spec.quick_look(source)
        elif spec.made_files is None:
            spec.open(source, spec.chosen_sequences(source), classes)


def open_source(source: DataSource, classes: ClassTable, workers: int = 1) -> SampleSource:
    """The data set a source names; synthetic sweeps that are not on the disk are made first, by `workers` processes.

    Raises BadDataset or BadConfig with what is missing.
    """
    require_folders([source])
    spec = data_set_spec(source.kind)
    dataset = spec.open(source, spec.chosen_sequences(source), classes)
    if isinstance(dataset, MadeSource):
        make(dataset, spec.kind, len(dataset), workers)
    if source.label_skip != 1 and not spec.thins_scenes:
        dataset = EveryNth(dataset, source.label_skip)
    if dataset.classes != classes:
        raise BadConfig(
            f"data set {spec.kind} in {source.folder}: expected classes {classes.name}, found {dataset.classes.name}. "
            "Use data sets of one class table."
        )
    if len(dataset) == 0:
        raise BadConfig(
            f"data set {spec.kind} in {source.folder}: expected at least one scan, found none. Check its selection."
        )
    return dataset


def make(dataset: MadeSource, kind: str, samples: int, workers: int) -> None:
    """Make what a data set lacks of its own files, with a progress bar where somebody looks."""
    from tqdm import tqdm

    with tqdm(total=samples, desc=kind.replace("_", " "), disable=not sys.stderr.isatty()) as bar:
        dataset.prepare(workers, bar.update)
