"""KITTI object detection: scans with the colour image of camera 2. Its boxes are read by datasets/boxes."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec, Splits
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import Names, SplitSource
from offline_training.datasets.lidar.files.kitti_object_scans import LAYOUT, ObjectScan, object_scans
from offline_training.datasets.lidar.files.kitti_picture import picture_view

FRAME = "velodyne"
_COUNTS = FileCounts(
    {"scans": "*/velodyne/*.bin", "calibrations": "*/calib/*.txt", "pictures": "*/image_2/*.png", "boxes": "*/label_2/*.txt"},
    lambda folder: folder,
)  # fmt: skip


class KittiObjectSource(SplitSource):
    """Scans of training/, or of the lists in ImageSets/; `sequences` are names of lists."""

    kind: Literal["kitti_object"] = "kitti_object"


class KittiObject:
    """Whole scans as samples, in the Velodyne's frame (x forward, y left, z up); points have no labels.

    Scans stand alone and have no time: their stamps are 0.
    """

    def __init__(
        self,
        folder: Path,
        lists: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """lists: such as "train"; frames: names of scans such as "000012"; None = all of training/. Raises BadDataset."""
        self.classes = classes or class_table("semantic_kitti19")
        self.folder, self.scans = Path(folder), object_scans(Path(folder), lists, frames)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> Sample:
        """The scan's cloud and image; raises BadDataset naming it when a file is damaged."""
        scan = self.scans[index]
        return Sample(scan.name, object_cloud(scan.points()), None, self.classes, self.views(index))

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The image alone, where it is there, without reading the scan; raises BadDataset naming it."""
        scan = self.scans[index]
        if not scan.picture.exists():
            return ()
        file = f"{scan.part.name}/image_2/{scan.scan}.png"
        return (picture_view(scan.picture, scan.calibration(), 0, scan.name, file),)


def object_cloud(points: np.ndarray) -> PointCloud:
    """The cloud of rows (N, 4) of a scan."""
    return PointCloud(
        xyz_m=np.ascontiguousarray(points[:, :3]),
        intensity=scaled_intensity(points[:, 3], 1.0),
        stamp_ns=0,
        frame_id=FRAME,
    )


def _counts(source: KittiObjectSource, dataset: SampleSource, splits: Splits) -> Iterator[str]:
    folder = Path(source.folder)
    yield from _COUNTS.by_sequence(folder)
    for split in splits:
        yield f"split {split}: {_listed(folder, split)}"


def _listed(folder: Path, split: str) -> str:
    if not (folder / "ImageSets" / f"{split}.txt").exists():
        return f"no list ImageSets/{split}.txt"
    try:
        scans: list[ObjectScan] = object_scans(folder, (split,), None)
    except BadDataset as error:
        return str(error)
    return f"{len(scans):,} scans"


def _open(source: KittiObjectSource, lists: Names, classes: ClassTable) -> KittiObject:
    return KittiObject(Path(source.folder), lists, source.frames, classes)


SPEC = DataSetSpec(
    source=KittiObjectSource,
    what="KITTI object detection: single scans of streets with boxes, and the image of camera 2",
    layout=LAYOUT,
    classes=("semantic_kitti19", "nuscenes16"),
    open=_open,
    # Lists of ImageSets/, which are no part of KITTI's archives, so they are read from the user's copy.
    splits={"train": ("train",), "val": ("val",), "trainval": ("trainval",), "test": ("test",)},
    counts=_counts,
)
