"""The data sets a run can name, and how each is opened."""

import sys
from pathlib import Path
from typing import Literal, Protocol

from lidar_vl_core.config import Config
from lidar_vl_core.errors import BadConfig
from lidar_vl_core.labels import ClassTable
from offline_training.datasets.sample import Sample


class SampleSource(Protocol):
    """What every data set is: samples by number, in one class table."""

    classes: ClassTable

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
        ...


class DataSource(Config):
    """One data set of a run."""

    kind: Literal["synthetic", "pandaset", "semantic_kitti", "nuscenes"]
    folder: str  # the data set's folder; for synthetic the folder its scans are kept in once made
    weight: float = 1.0  # how often it is drawn, against the weights of the others
    sequences: tuple[str, ...] | None = None  # semantic_kitti: sequences; nuscenes: scenes; nothing = all
    frames: tuple[str, ...] | None = None  # names of frames; nothing = all
    version: str = "v1.0-trainval"  # nuscenes
    first_seed: int = 0  # synthetic: seed of the first street
    streets: int = 1  # synthetic: one for each seed from first_seed
    frames_per_street: int = 10  # synthetic
    lidar: str | None = None  # synthetic: a name of synthetic_lidar.LIDARS; nothing = a random sensor for each frame


def open_source(source: DataSource, classes: ClassTable, workers: int = 1) -> SampleSource:
    """The data set a source names; synthetic sweeps that are not on the disk are made first, by `workers` processes.

    Raises BadDataset or BadConfig with what is missing.
    """
    dataset = _opened(source, classes, workers)
    if dataset.classes != classes:
        raise BadConfig(
            f"data set {source.kind} in {source.folder}: expected classes {classes.name}, found {dataset.classes.name}. "
            "Use data sets of one class table."
        )
    if len(dataset) == 0:
        raise BadConfig(
            f"data set {source.kind} in {source.folder}: expected at least one scan, found none. Check its selection."
        )
    return dataset


def _opened(source: DataSource, classes: ClassTable, workers: int) -> SampleSource:
    folder = Path(source.folder)
    if source.kind == "pandaset":
        from offline_training.datasets.pandaset import PandaSet

        return PandaSet(folder, source.frames, classes=classes)
    if source.kind == "semantic_kitti":
        from offline_training.datasets.semantic_kitti import SemanticKitti

        return SemanticKitti(folder, source.sequences, source.frames, classes)
    if source.kind == "nuscenes":
        from offline_training.datasets.nuscenes import NuScenes

        return NuScenes(folder, source.version, source.sequences, source.frames, classes=classes)
    return _synthetic(source, folder, workers)


def _synthetic(source: DataSource, folder: Path, workers: int) -> SampleSource:
    from tqdm import tqdm

    from offline_training.datasets.synthetic import SyntheticDataset
    from offline_training.datasets.synthetic_lidar import LIDARS

    if source.lidar is not None and source.lidar not in LIDARS:
        raise BadConfig(
            f"lidar: expected one of {', '.join(LIDARS)}, found {source.lidar!r}. Choose one or leave it out."
        )
    seeds = range(source.first_seed, source.first_seed + source.streets)
    lidar = None if source.lidar is None else LIDARS[source.lidar]
    dataset = SyntheticDataset(seeds, source.frames_per_street, folder, lidar)
    with tqdm(total=len(dataset), desc="synthetic sweeps", disable=not sys.stderr.isatty()) as bar:
        dataset.prepare(workers, bar.update)
    return dataset
