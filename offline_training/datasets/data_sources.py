"""The data sets a run can name, and how each is opened."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.base.label_fractions import labelled_frames, labelled_scenes
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.splits import official_split
from offline_training.datasets.lidar.daps3d import Daps3d
from offline_training.datasets.lidar.nuscenes import NuScenes
from offline_training.datasets.lidar.nuscenes_tables import scene_names
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.lidar.rellis3d import Rellis3d
from offline_training.datasets.lidar.scribble_kitti import ScribbleKitti
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from offline_training.datasets.lidar.semantic_poss import SemanticPoss
from offline_training.datasets.lidar.semantic_stf import SemanticStf
from offline_training.datasets.lidar.synlidar import SynLidar
from offline_training.datasets.rgbd.nyu_frames import NyuFrames, holds_nyu_frames
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder
from offline_training.datasets.rgbd.s3dis import S3dis
from offline_training.datasets.rgbd.scannet import ScanNet


class SampleSource(Protocol):
    """What every data set is: samples by number, in one class table."""

    classes: ClassTable

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
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


class DataSource(Config):
    """One data set of a run."""

    kind: Literal[
        "synthetic",
        "synthetic_rooms",
        "pandaset",
        "nuscenes",
        "ros_bag",
        "semantic_kitti",
        "scribble_kitti",
        "rellis3d",
        "semantic_poss",
        "semantic_stf",
        "synlidar",
        "daps3d",
        "rgbd_folder",
        "scannet",
        "s3dis",
        "openscene",
    ]
    folder: str  # the data set's folder; for ros_bag the bag; for synthetic ones the folder their scans are kept in once made
    weight: float = 1.0  # how often it is drawn, against the weights of the others
    split: str | None = None  # official split of the data set, such as "train" or "val"; in place of sequences
    sequences: tuple[str, ...] | None = None  # sequences, scenes or folders of the data set; nothing = all
    frames: tuple[str, ...] | None = None  # names of frames, for ros_bag places among the clouds; nothing = all
    version: str = "v1.0-trainval"  # nuscenes
    cloud_topic: str | None = None  # ros_bag; nothing = the only one
    label_field: str | None = None  # ros_bag, rgbd_folder: field of the clouds that holds the truth
    label_table: str | None = None  # ros_bag, rgbd_folder: what its ids mean, a source of label_map()
    label_skip: int = 1  # every n-th is kept: of nuscenes' scenes, of the frames of others; 100 = 1 % of the labels
    view_step: Annotated[int, Field(ge=1)] | None = None  # RGB-D: every n-th view; nothing = all, 20 in ScanNet's .sens
    first_seed: int = 0  # synthetic: seed of the first street; synthetic_rooms: of the first room
    streets: int = 1  # synthetic: one for each seed from first_seed
    frames_per_street: int = 10  # synthetic
    lidar: str | None = None  # synthetic: a name of sensors.lidar.LIDARS; nothing = a random sensor for each frame
    image_width: int | None = None  # synthetic: pixels of its six pictures; nothing = none, in synthetic_rooms 160
    rooms: int = 1  # synthetic_rooms: one for each seed from first_seed
    views_per_room: int = 16  # synthetic_rooms: RGB-D pictures
    depth_noise: bool = True  # synthetic_rooms: depth as a depth camera measures it, or as it is


def open_source(source: DataSource, classes: ClassTable, workers: int = 1) -> SampleSource:
    """The data set a source names; synthetic sweeps that are not on the disk are made first, by `workers` processes.

    Raises BadDataset or BadConfig with what is missing.
    """
    if source.kind not in ("synthetic", "synthetic_rooms") and not Path(source.folder).exists():
        raise BadDataset(
            f"{source.folder}: expected the data set {source.kind} ({layout_line(source.kind)}), found no such folder. "
            "Unpack the data set there, or correct the folder."
        )
    dataset = _opened(source, classes, workers)
    if source.label_skip != 1 and source.kind != "nuscenes":
        dataset = EveryNth(dataset, source.label_skip)
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


# Data sets that are opened by folder, sequences, frames and classes.
_IN_SEQUENCES: dict[str, Callable[..., SampleSource]] = {
    "semantic_kitti": SemanticKitti,
    "scribble_kitti": ScribbleKitti,
    "rellis3d": Rellis3d,
    "semantic_poss": SemanticPoss,
    "semantic_stf": SemanticStf,
    "synlidar": SynLidar,
    "daps3d": Daps3d,
}


def _opened(source: DataSource, classes: ClassTable, workers: int) -> SampleSource:
    folder, sequences = Path(source.folder), chosen_sequences(source)
    if source.kind in _IN_SEQUENCES:
        return _IN_SEQUENCES[source.kind](folder, sequences, source.frames, classes)
    if source.kind == "nuscenes":
        if source.label_skip != 1:
            sequences = labelled_scenes(scene_names(folder, source.version), sequences, source.label_skip)
        return NuScenes(folder, source.version, sequences, source.frames, classes=classes)
    if source.kind == "pandaset":
        return PandaSet(folder, source.frames, classes=classes)
    if source.kind == "rgbd_folder":
        return _rgbd_folder(source, folder, sequences, classes)
    if source.kind == "scannet":
        return ScanNet(folder, sequences, source.frames, classes, source.view_step)
    if source.kind == "s3dis":
        return S3dis(folder, sequences, source.frames, classes, source.view_step or 1)
    if source.kind == "openscene":
        return _openscene(source, folder, sequences, classes)
    if source.kind == "ros_bag":
        return _bag(source, folder, classes)
    if source.kind == "synthetic_rooms":
        return _synthetic_rooms(source, folder, workers)
    return _synthetic(source, folder, workers)


def chosen_sequences(source: DataSource) -> tuple[str, ...] | None:
    """The sequences a source names itself or by its split, None = all; raises BadConfig when it names both."""
    if source.split is None:
        return source.sequences
    if source.sequences is not None:
        raise BadConfig(f"data set {source.kind}: expected `split` or `sequences`, found both. Leave one of them out.")
    return official_split(source.kind, source.split)


def _rgbd_folder(
    source: DataSource, folder: Path, sequences: tuple[str, ...] | None, classes: ClassTable
) -> SampleSource:
    if holds_nyu_frames(folder):
        return NyuFrames(folder, sequences, classes, source.label_table)
    labels = source.label_field, source.label_table
    return RgbdFolder(folder, sequences, source.frames, classes, source.view_step or 1, *labels)


def _openscene(
    source: DataSource, folder: Path, sequences: tuple[str, ...] | None, classes: ClassTable
) -> SampleSource:
    from offline_training.datasets.rgbd.openscene_scenes import OpenSceneScenes  # imports torch, others do not

    return OpenSceneScenes(folder, sequences, source.frames, classes, source.view_step or 1)


def _bag(source: DataSource, folder: Path, classes: ClassTable) -> SampleSource:
    from offline_training.datasets.lidar.ros_bag import RosBag

    frames = source.frames
    if frames is not None and not all(frame.isdecimal() for frame in frames):
        raise BadConfig(
            f"frames of {folder}: expected places among the clouds, such as 0, found {', '.join(frames)}. Give numbers."
        )
    places = None if frames is None else [int(frame) for frame in frames]
    return RosBag(folder, places, source.cloud_topic, source.label_field, source.label_table, classes)


def _synthetic(source: DataSource, folder: Path, workers: int) -> SampleSource:
    from tqdm import tqdm

    from offline_training.datasets.lidar.synthetic_pictures import PictureSpec
    from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset
    from offline_training.synthetic.sensors.lidar import LIDARS

    if source.lidar is not None and source.lidar not in LIDARS:
        raise BadConfig(
            f"lidar: expected one of {', '.join(LIDARS)}, found {source.lidar!r}. Choose one or leave it out."
        )
    seeds = range(source.first_seed, source.first_seed + source.streets)
    lidar = None if source.lidar is None else LIDARS[source.lidar]
    pictures = None if source.image_width is None else PictureSpec(source.image_width)
    dataset = SyntheticDataset(seeds, source.frames_per_street, folder, lidar, pictures=pictures)
    with tqdm(total=len(dataset), desc="synthetic sweeps", disable=not sys.stderr.isatty()) as bar:
        dataset.prepare(workers, bar.update)
    return dataset


def _synthetic_rooms(source: DataSource, folder: Path, workers: int) -> SampleSource:
    from tqdm import tqdm

    from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms

    spec = RoomSpec(source.views_per_room, source.image_width or 160, source.depth_noise)
    dataset = SyntheticRooms(range(source.first_seed, source.first_seed + source.rooms), folder, spec)
    with tqdm(total=len(dataset), desc="synthetic rooms", disable=not sys.stderr.isatty()) as bar:
        dataset.prepare(workers, bar.update)
    return dataset
