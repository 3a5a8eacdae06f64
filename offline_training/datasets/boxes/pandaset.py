"""PandaSet with its cuboids in nuScenes' ten classes: a sequence's sweeps, each thing boxed once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.pandaset import boxes_of_pandaset
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, name_map
from lidar_vl_core.foundation.errors import BadBoxes, BadDataset, BadTransform
from lidar_vl_core.foundation.stamps import NS_PER_S
from offline_training.datasets.base.box_sample import BoxSample, points_of_boxes
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.pandaset_cuboids import Cuboids, read_cuboids
from offline_training.datasets.lidar.files.track_velocities import track_velocities
from offline_training.datasets.lidar.pandaset import FRAME, PandaSet, PandaSetSource

_FRAMES_KEPT = 8  # files of neighbours that are read again a moment later


class PandaSetBoxes:
    """Frames of one sequence, in the frame of their clouds; velocities come from the frames before and after.

    Where both LiDARs are read, a thing with a box for each has that of the spinning one.
    """

    def __init__(
        self,
        folder: Path,
        frames: Sequence[str] | None = None,
        sensor: int | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """As PandaSet. Raises BadDataset, also without annotations."""
        self.classes = classes or class_table("nuscenes10")
        self._names, self._sensor = name_map("pandaset_cuboids", self.classes), sensor
        self._sequence = PandaSet(folder, None, sensor)
        chosen = self._sequence.frames if frames is None else PandaSet(folder, frames).frames
        self._places = [self._sequence.frames.index(frame) for frame in chosen]
        if not (self._sequence.folder / "annotations").is_dir():
            raise BadDataset(
                f"{self._sequence.folder / 'annotations'}: expected the boxes of the frames, found no such folder. Convert "
                "PandaSet's cuboids, too."
            )
        self._kept: dict[int, Cuboids] = {}  # by place in the sequence

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> BoxSample:
        """The frame's cloud and boxes; raises BadDataset naming the frame when a file is damaged."""
        sample, boxes = self._sequence[self._places[index]], self.boxes(index)
        counted = points_of_boxes(sample.cloud, boxes)
        return BoxSample(sample.name, sample.cloud, boxes, self.classes, counted)

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone; raises BadDataset naming the frame."""
        place = self._places[index]
        cuboids, T_lidar_world = self._cuboids(place), self._sequence.T_world_lidar(place).inverse()
        velocity_mps = self._velocities(place) @ T_lidar_world.rotation.T
        try:
            boxes = boxes_of_pandaset(cuboids.boxes, T_lidar_world)
        except (BadBoxes, BadTransform) as error:
            raise BadDataset(f"{self._file(place)}: {error}") from error
        every = Boxes3d.of(boxes, cuboids.class_id, velocity_mps=velocity_mps[:, :2], frame_id=FRAME)
        return every.taken(cuboids.of_sensor(self._sensor))

    def _velocities(self, place: int) -> np.ndarray:
        """(N, 3) in the world, of all boxes of a frame."""
        near = [each for each in (place, place - 1, place + 1) if self._has_boxes(each)]
        found = [self._cuboids(each) for each in near]
        _, thing = np.unique(np.concatenate([each.uuid for each in found]), return_inverse=True)
        stamp_s = np.repeat(
            [self._sequence.stamp_ns(each) / NS_PER_S for each in near], [len(each.uuid) for each in found]
        )
        center_m = np.concatenate([each.boxes.position_m for each in found])
        return track_velocities(thing, stamp_s, center_m)[: len(found[0].uuid)]

    def _has_boxes(self, place: int) -> bool:
        return 0 <= place < len(self._sequence) and self._file(place).exists()

    def _file(self, place: int) -> Path:
        return self._sequence.folder / "annotations" / f"{self._sequence.frames[place]}.cuboids.json"

    def _cuboids(self, place: int) -> Cuboids:
        if place not in self._kept:
            if len(self._kept) == _FRAMES_KEPT:
                self._kept.clear()
            self._kept[place] = read_cuboids(self._file(place), self._names)
        return self._kept[place]


def _open(source: PandaSetSource, _: Names, classes: ClassTable, sweeps: int) -> PandaSetBoxes:
    return PandaSetBoxes(Path(source.folder), source.frames, source.sensor, classes)


BOXES = BoxSpec(
    source=PandaSetSource,
    classes=("nuscenes10",),
    open=_open,
    are_there=lambda source, _: (Path(source.folder) / "annotations").is_dir(),
)
