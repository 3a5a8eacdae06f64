"""S3DIS: rooms of six areas as coloured points with 13 classes, and the images of 2D-3D-S taken in them.

Two forms are read: the rooms as Stanford publishes them (a text file for each object), and converted ones with a file
each for points and classes, as mmdetection3d writes them. Images belong to the first form alone: the second moves rooms.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.rgbd.files.rgbd_scenes import RgbdScenes, Views, ViewStepSource, by_scenes
from offline_training.datasets.rgbd.files.s3dis_rooms import (
    Room,
    converted_rooms,
    read_room,
    repaired_lines,
    text_rooms,
)
from offline_training.datasets.rgbd.files.s3dis_views import AreaImages

_LAYOUT = Layout(
    (
        ("Area_1/office_1/Annotations/chair_1.txt", "x y z red green blue a line; also below a folder"),
        ("points/Area_1_office_1.bin", "or converted: 6 x float32 a point"),
        ("semantic_mask/Area_1_office_1.bin", "int64 a point"),
        ("Area_1_office_1_point.npy", "or converted: (N, 6), and Area_1_office_1_sem_label.npy"),
        ("area_1/data/pose/camera_*_domain_pose.json", "optional images, of 2D-3D-S; area_5a and area_5b alike"),
        ("area_1/data/rgb/camera_*_domain_rgb.png", "1080 x 1080"),
        ("area_1/data/depth/camera_*_domain_depth.png", "16 bits, 1/512 m"),
    )
)


class S3disSource(SplitSource, ViewStepSource):
    """Some areas or rooms."""

    kind: Literal["s3dis"] = "s3dis"


class S3dis(RgbdScenes[Room]):
    """Rooms as samples named Area_1/office_2, in the frame of their area (z up)."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int | None = None,
    ) -> None:
        """sequences: areas or rooms such as Area_1/office_2; frames: names of views; view_step: every n-th.

        Raises BadDataset.
        """
        super().__init__(folder, frames, classes or class_table("s3dis13"), view_step, "s3dis13")
        there = text_rooms(self.folder) or converted_rooms(self.folder)
        asked = set(sequences or ())
        self.scenes = [room for room in there if sequences is None or {room.name, room.area} & asked]
        self._require_scenes(
            self.folder,
            f"rooms ({_LAYOUT.line()})",
            str(len(there)),
            sorted(asked - {room.name for room in there} - {room.area for room in there}),
            "Unpack the areas, or fix `sequences`.",
        )
        self._images = AreaImages(self.folder)

    def __getitem__(self, index: int) -> Sample:
        """The room's points, classes and views; raises BadDataset naming the file when one is damaged."""
        room = self.scenes[index]
        xyz_m, rgb, raw = read_room(room)
        cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, room.area, {"rgb": rgb}, in_sensor_frame=False)
        return Sample(room.name, cloud, self._class_id(raw), self.classes, self.views(index))

    def notes(self, index: int) -> list[str]:
        """What was repaired in the files of a room, a line each."""
        annotations = self.scenes[index].annotations
        return [] if annotations is None else repaired_lines(annotations)

    def _read_views(self, room: Room) -> Views:
        """The images taken in a room, where 2D-3D-S lies beside the rooms."""
        if room.annotations is None or room.is_turned:
            return (), 0
        views, skipped = self._images.views(room, self._view_step or 1)
        return self._chosen(views), skipped


SPEC = DataSetSpec(
    source=S3disSource,
    what="S3DIS: rooms of six areas, with the images of 2D-3D-S",
    layout=_LAYOUT,
    classes=("s3dis13",),
    open=by_scenes(S3dis),
    splits={
        "train": ("Area_1", "Area_2", "Area_3", "Area_4", "Area_6"),
        "val": ("Area_5",),  # another building than the other areas
        "test": ("Area_5",),
    },
)
