"""S3DIS: rooms of six areas as coloured points with 13 classes, and the images of 2D-3D-S taken in them.

Two forms are read: the rooms as Stanford publishes them (a text file for each object), and converted ones with a file
each for points and classes, as mmdetection3d writes them. Images belong to the first form alone: the second moves rooms.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.rgbd.s3dis_rooms import Room, converted_rooms, read_room, text_rooms
from offline_training.datasets.rgbd.s3dis_views import AreaImages


class S3dis:
    """Rooms as samples named Area_1/office_2, in the frame of their area (z up)."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int = 1,
    ) -> None:
        """sequences: areas or rooms such as Area_1/office_2; frames: names of views; view_step: every n-th.

        Raises BadDataset.
        """
        classes = classes or class_table("s3dis13")
        self.folder, self.classes = Path(folder), classes
        self._label_map = label_map("s3dis13", classes)
        self._frames, self._view_step = frames, view_step
        there = text_rooms(self.folder) or converted_rooms(self.folder)
        asked = set(sequences or ())
        self.scenes = [room for room in there if sequences is None or {room.name, room.area} & asked]
        missing = asked - {room.name for room in there} - {room.area for room in there}
        if missing or not self.scenes:
            raise BadDataset(
                f"{self.folder}: expected rooms ({layout_line('s3dis')}), found {len(there)}"
                f"{', none for ' + ', '.join(sorted(missing)[:5]) if missing else ''}. Unpack the areas, or correct `sequences`."
            )
        self._images = AreaImages(self.folder)
        self._views: dict[int, tuple[tuple[CameraView, ...], int]] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """The room's points, classes and views; raises BadDataset naming the file when one is damaged."""
        room = self.scenes[index]
        xyz_m, rgb, raw = read_room(room)
        cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, room.area, {"rgb": rgb})
        return Sample(room.name, cloud, self._label_map.apply(raw), self.classes, self.views(index))

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The images taken in a room, where 2D-3D-S lies beside the rooms; raises BadDataset."""
        return self._views_of(index)[0]

    def skipped_views(self, index: int) -> int:
        """How many images of a room are left out because their pose is not finite or not rigid."""
        return self._views_of(index)[1]

    def _views_of(self, index: int) -> tuple[tuple[CameraView, ...], int]:
        if index not in self._views:
            self._views[index] = self._read_views(self.scenes[index])
        return self._views[index]

    def _read_views(self, room: Room) -> tuple[tuple[CameraView, ...], int]:
        if room.annotations is None or room.is_turned:
            return (), 0
        views, skipped = self._images.views(room, self._view_step)
        return tuple(view for view in views if self._frames is None or view.name in self._frames), skipped
