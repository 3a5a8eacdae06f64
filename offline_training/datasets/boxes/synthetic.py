"""Synthetic streets with the boxes of their things, computed from the seed and kept beside the sweeps. Touches the disk.

A sweep's boxes are those of which it has points: <name of the sweep's file>_boxes_v<version>.npy, a row a thing. Sweeps
that were kept before boxes were asked for are not made anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table, name_map
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import atomic_writer
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.synthetic_sweeps import FRAME, read_sweep
from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset, SyntheticSource, open_streets
from offline_training.synthetic.world.workers import made_scenes

if TYPE_CHECKING:
    from offline_training.synthetic.streets.layout import World

VERSION = 1  # raise it when the same seed gives other boxes, so that kept ones are made anew
_ROW = np.dtype([("box", "f8", 7), ("thing", "u1"), ("velocity_mps", "f4", 2), ("points", "i8")])


class SyntheticBoxes:
    """Sweeps of synthetic streets with boxes of things that moved or stood there, in nuScenes' ten classes."""

    def __init__(self, streets: SyntheticDataset, classes: ClassTable | None = None) -> None:
        self.classes = classes or class_table("nuscenes10")
        self._streets = streets
        points = class_table("nuscenes16")
        class_of_name = name_map(points.name, self.classes).class_of_name
        self._class_of_thing = np.array([class_of_name.get(name, IGNORE_ID) for name in points.names], np.uint8)

    def __len__(self) -> int:
        return len(self._streets)

    def __getitem__(self, index: int) -> BoxSample:
        """The sweep with its boxes; what is not kept yet is made. Raises BadDataset naming a damaged file."""
        rows, moment = self._rows(index), self._streets.moment(index)
        boxes, name = self._boxes(rows), f"synthetic_{moment.seed:05d}_{moment.frame:03d}"
        return BoxSample(name, read_sweep(moment.file), boxes, self.classes, np.array(rows["points"]))

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone."""
        return self._boxes(self._rows(index))

    def prepare(self, workers: int = 1, on_progress: Callable[[int], None] | None = None) -> None:
        """Make all sweeps and boxes that are missing, in `workers` processes; `on_progress` hears how many have come."""
        samples = {seed: self._streets.samples_of(seed) for seed in self._streets.seeds}
        missing = [seed for seed, of_seed in samples.items() if not all(map(self._is_made, of_seed))]
        if on_progress:
            on_progress(sum(len(of_seed) for seed, of_seed in samples.items() if seed not in missing))
        for seed in made_scenes(self._make, missing, workers):
            if on_progress:
                on_progress(len(samples[seed]))

    def _rows(self, index: int) -> np.ndarray:
        """The kept rows of a sweep's things, made where they are missing."""
        path = self._file(index)
        if not path.exists():
            self._make(self._streets.moment(index).seed)
        try:
            rows = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, str(error)) from error
        if rows.dtype != _ROW or rows.ndim != 1:
            raise _damaged(path, f"{rows.dtype} of shape {rows.shape}")
        return np.asarray(rows)

    def _boxes(self, rows: np.ndarray) -> Boxes3d:
        class_id = self._class_of_thing[rows["thing"]]
        return Boxes3d.of(rows["box"], class_id, velocity_mps=rows["velocity_mps"], frame_id=FRAME)

    def _file(self, index: int) -> Path:
        sweep = self._streets.moment(index).file
        return sweep.with_name(f"{sweep.stem}_boxes_v{VERSION}.npy")

    def _is_made(self, index: int) -> bool:
        return self._file(index).exists() and self._streets.moment(index).file.exists()

    def _make(self, seed: int) -> None:
        """A street's boxes, and the sweeps that they are counted in where those are missing."""
        world = self._streets.world(seed)
        for index in self._streets.samples_of(seed):
            if not self._is_made(index):
                self._keep(index, world)

    def _keep(self, index: int, world: "World") -> None:
        from offline_training.synthetic.sensors.thing_boxes import LEAST_POINTS, boxes_of_things, points_of_things

        moment, cloud = self._streets.moment(index), self._streets[index].cloud
        things = boxes_of_things(world, moment.lidar, moment.time_s, FRAME)
        points = points_of_things(cloud, things)
        seen = points >= LEAST_POINTS
        rows = np.zeros(int(seen.sum()), _ROW)
        rows["box"], rows["thing"] = things.boxes[seen], things.class_id[seen]
        rows["velocity_mps"], rows["points"] = things.velocity_mps[seen], points[seen]
        with atomic_writer(self._file(index)) as handle:
            np.save(handle, rows)


def _damaged(path: Path, found: str) -> BadDataset:
    return BadDataset(
        f"{path}: expected kept boxes of a synthetic sweep, found: {found}. Delete the file; it will be made again."
    )


def _open(source: SyntheticSource, names: Names, classes: ClassTable, sweeps: int) -> SyntheticBoxes:
    return SyntheticBoxes(open_streets(source, names, class_table("nuscenes16")), classes)


BOXES = BoxSpec(
    source=SyntheticSource,
    classes=("nuscenes10",),
    open=_open,
    are_there=lambda source, _: any(Path(source.folder).glob(f"*_boxes_v{VERSION}.npy")),
)
