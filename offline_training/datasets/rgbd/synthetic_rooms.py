"""SyntheticRooms: coloured clouds of synthetic rooms with RGB-D views and labels, cached on disk. Touches the disk."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import Names, SourceConfig
from offline_training.datasets.rgbd.files.synthetic_room_files import (
    has_room,
    read_cloud,
    read_views,
    truth_image,
    write_room,
)
from offline_training.synthetic.rooms.shot import RoomShot, room_camera
from offline_training.synthetic.world.workers import made_scenes

if TYPE_CHECKING:
    from offline_training.synthetic.rooms.layout import Room

VERSION = 4  # raise it when the same seed gives another room or other files, so that cached ones are made anew


class SyntheticRoomsSource(SourceConfig):
    """Synthetic rooms, one for each seed."""

    kind: Literal["synthetic_rooms"] = "synthetic_rooms"
    folder: str = Field(description="where its rooms are cached")
    first_seed: int = Field(default=0, description="seed of the first room")
    rooms: int = Field(default=1, description="one for each seed from first_seed")
    views_per_room: int = Field(default=16, description="RGB-D images")
    image_width: int | None = Field(default=None, description="width of its images in pixels (default: 160)")
    depth_noise: bool = Field(default=True, description="simulate the depth of a real camera, or give the exact depth")


@dataclass(frozen=True)
class RoomSpec:
    """How a room is scanned."""

    views: int = 16
    image_width: int = 160  # pixels of its 4:3 images
    depth_noise: bool = True  # depth with the noise and the gaps of a depth camera

    def __post_init__(self) -> None:
        """Raise BadConfig for a scan nobody can use."""
        if not 1 <= self.views <= 1000:
            raise BadConfig(f"views: expected 1 to 1000 for each room, found {self.views}.")
        if not 32 <= self.image_width <= 2048:
            raise BadConfig(f"image width: expected 32 to 2048 pixels, found {self.image_width}.")


class SyntheticRooms:
    """One room for each seed: a sample with the cloud fused from all its views."""

    table = "synthetic_rooms"  # of its classes
    prefix = "room"  # of its names
    version = VERSION

    def __init__(self, seeds: Sequence[int], cache_folder: Path, spec: RoomSpec | None = None) -> None:
        self.classes = class_table(self.table)
        self._seeds, self._folder, self._spec = tuple(seeds), cache_folder, spec or RoomSpec()

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: int) -> Sample:
        """The room; one that is not in the cache yet is made and kept.

        Its cloud has the fields rgb (N, 3) uint8 and instance (N,) uint16; `T_cam_lidar` of its views is T_cam_room.
        """
        views = self.views(index)
        cloud = read_cloud(self._path(self._seeds[index]))
        return Sample(self._name(index), cloud, np.asarray(cloud.extra["label"]), self.classes, views)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The room's views alone, without reading its cloud."""
        name, path = self._name(index), self._path(self._seeds[index])
        if not has_room(path):
            self._make(self._seeds[index])
        return read_views(path, name)

    def true_class_image(self, view: CameraView) -> np.ndarray:
        """(H, W) uint8 class that each pixel of a view of this data set shows, 255 = none."""
        return (truth_image(self._folder, view) >> 8).astype(np.uint8)

    def pictures_with_classes(self, index: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each image (H, W, 3) uint8 of a room with its true classes (H, W) uint8, 255 = none."""
        for view in self.views(index):
            yield view.load_rgb(), self.true_class_image(view)

    def prepare(self, workers: int = 1, on_progress: Callable[[int], None] | None = None) -> None:
        """Make all rooms that are missing, in `workers` processes; `on_progress` hears how many are finished."""
        missing = [seed for seed in self._seeds if not has_room(self._path(seed))]
        if on_progress:
            on_progress(len(self._seeds) - len(missing))
        for _ in made_scenes(self._make, missing, workers):
            if on_progress:
                on_progress(1)

    def _name(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index}: the data set has {len(self)}")
        return f"{self.prefix}_{self._seeds[index]:05d}"

    def _path(self, seed: int) -> Path:
        identity = json.dumps([self.version, seed, asdict(self._spec)], sort_keys=True)
        return self._folder / f"{seed:05d}_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def _room(self, seed: int) -> "Room":
        from offline_training.synthetic.rooms.layout import build_room

        return build_room(seed)

    def _make(self, seed: int) -> None:
        from offline_training.synthetic.rooms.camera import RoomScene, take_picture, walk
        from offline_training.synthetic.rooms.cloud import fused_cloud, measured_depth

        scene, camera = RoomScene(self._room(seed)), room_camera(self._spec.image_width)
        rng = np.random.default_rng([seed, 12])
        shots = []
        for T_room_cam in walk(scene, self._spec.views, np.random.default_rng([seed, 13])):
            picture = take_picture(scene, camera, T_room_cam, rng)
            shots.append(RoomShot(picture, measured_depth(picture, self._spec.depth_noise, rng), T_room_cam))
        write_room(self._path(seed), shots, fused_cloud(shots))


def _open(source: SyntheticRoomsSource, _: Names, classes: ClassTable) -> SyntheticRooms:
    spec = RoomSpec(source.views_per_room, source.image_width or 160, source.depth_noise)
    return SyntheticRooms(range(source.first_seed, source.first_seed + source.rooms), Path(source.folder), spec)


SPEC = DataSetSpec(
    source=SyntheticRoomsSource,
    what="synthetic rooms with RGB-D views, made on first use",
    layout=Layout(
        (
            ("NNNNN_<hash>/cloud.npz", "a room, made on first use"),
            ("NNNNN_<hash>/NNN.jpg", "its images; depth.npz and truth.npz beside them"),
            ("NNNNN_<hash>/views.npz", "where they were taken"),
        )
    ),
    classes=("synthetic_rooms",),
    open=_open,
    made_files="*/views.npz",
    counts=FileCounts({"scans": "*/cloud.npz", "pictures": "*/*.jpg"}),
)
