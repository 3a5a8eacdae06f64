"""SyntheticDataset: labelled LiDAR sweeps of synthetic streets, with images where asked, cached on disk. Touches the disk."""

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
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import Names, SourceConfig
from offline_training.datasets.lidar.files.synthetic_pictures import (
    PictureSpec,
    class_image,
    has_pictures,
    picture_folder,
    read_pose,
    read_views,
    write_pictures,
)
from offline_training.datasets.lidar.files.synthetic_sweeps import read_sweep, write_sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec
from offline_training.synthetic.sensors.wide_lidars import wide_lidar
from offline_training.synthetic.world.workers import made_scenes

if TYPE_CHECKING:
    from offline_training.synthetic.sensors.scene import Scene
    from offline_training.synthetic.streets.layout import World

VERSION = 2  # raise it when the same seed gives other points, so that cached frames are made anew
WIDE_VERSION = 1  # the same for what `wide` adds
Variety = Literal["streets", "wide"]


class SyntheticSource(SourceConfig):
    """Sweeps of synthetic streets, one street for each seed."""

    kind: Literal["synthetic"] = "synthetic"
    folder: str = Field(description="where its sweeps are cached")
    first_seed: int = Field(default=0, description="seed of the first street")
    streets: int = Field(default=1, description="one for each seed from first_seed")
    frames_per_street: int = Field(default=10, description="sweeps, 1.2 s apart")
    variety: Variety = Field(
        default="streets", description="wide: residential streets, highways, country roads, disturbed sweeps"
    )
    lidar: str | None = Field(default=None, description="vlp16, hdl32, ...; default: a random sensor for each frame")
    image_width: int | None = Field(
        default=None, description="width of its six camera images in pixels (default: no images)"
    )

    @property
    def title(self) -> str:
        """What tables call it."""
        wide = "wide " if self.variety == "wide" and self.lidar else ""
        return f"{self.kind} {wide}{self.lidar or Path(self.folder).name}"


@dataclass(frozen=True)
class Moment:
    """When and with what a sweep was made, and where it is kept."""

    seed: int  # of the street
    frame: int
    time_s: float  # at which the sweep ends
    lidar: LidarSpec
    file: Path


class SyntheticDataset:
    """`frames_per_seed` sweeps, `gap_s` apart, of the street of every seed; the LiDAR is random per frame unless given.

    With images each sample has the six views of synthetic/sensors/camera.RING.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        frames_per_seed: int,
        cache_folder: Path,
        lidar: LidarSpec | None = None,
        gap_s: float = 1.2,
        pictures: PictureSpec | None = None,
        variety: Variety = "streets",
    ) -> None:
        self.classes = class_table("nuscenes16")
        self.seeds, self._frames_per_seed, self._gap_s = tuple(seeds), frames_per_seed, gap_s
        self._folder, self._lidar, self._pictures = cache_folder, lidar, pictures
        self._variety = variety
        self._poses: dict[int, tuple[RigidTransform, ...]] = {}  # T_world_lidar of a street's frames, once asked for

    def __len__(self) -> int:
        return len(self.seeds) * self._frames_per_seed

    def __getitem__(self, index: int) -> Sample:
        """The sweep with its labels; a street that is not in the cache yet is made and kept."""
        views = self.views(index)
        seed, frame = self._seed_and_frame(index)
        cloud = read_sweep(self._path(seed, frame))
        return Sample(self._name(index), cloud, np.asarray(cloud.extra["label"]), self.classes, views)

    def moment(self, index: int) -> Moment:
        """The moment of a sample; raises IndexError beyond the last."""
        seed, frame = self._seed_and_frame(index)
        return Moment(seed, frame, frame * self._gap_s, self._spec(seed, frame), self._path(seed, frame))

    def samples_of(self, seed: int) -> range:
        """The samples of one street."""
        first = self.seeds.index(seed) * self._frames_per_seed
        return range(first, first + self._frames_per_seed)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The sample's views alone, without reading its cloud; none without images."""
        seed, frame = self._seed_and_frame(index)
        if not self._is_made(seed, frame):
            self._make(seed)
        if self._pictures is None:
            return ()
        return read_views(picture_folder(self._path(seed, frame), self._pictures), self._name(index))

    def true_class_image(self, view: CameraView) -> np.ndarray:
        """(H, W) uint8 class that each pixel of a view of this data set shows, 255 = none."""
        return class_image(self._folder, view)

    def pictures_with_classes(self, index: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each image (H, W, 3) uint8 of a sample with its true classes (H, W) uint8, 255 = none."""
        for view in self.views(index):
            yield view.load_rgb(), self.true_class_image(view)

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a sample's cloud frame in the world of its street."""
        seed, frame = self._seed_and_frame(index)
        if self._pictures is not None and self._is_made(seed, frame):
            return read_pose(picture_folder(self._path(seed, frame), self._pictures))
        if seed not in self._poses:
            world, frames = self.world(seed), range(self._frames_per_seed)
            self._poses[seed] = tuple(
                self._pose(world.ego_pose(number * self._gap_s), seed, number) for number in frames
            )
        return self._poses[seed][frame]

    def prepare(self, workers: int = 1, on_progress: Callable[[int], None] | None = None) -> None:
        """Make all that is missing, in `workers` processes; `on_progress` hears how many sweeps a finished street has."""
        frames = range(self._frames_per_seed)
        missing = [seed for seed in self.seeds if not all(self._is_made(seed, frame) for frame in frames)]
        if on_progress:
            on_progress((len(self.seeds) - len(missing)) * self._frames_per_seed)
        for _ in made_scenes(self._make, missing, workers):
            if on_progress:
                on_progress(self._frames_per_seed)

    def _seed_and_frame(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index}: the data set has {len(self)}")
        return self.seeds[index // self._frames_per_seed], index % self._frames_per_seed

    def _name(self, index: int) -> str:
        return "synthetic_{:05d}_{:03d}".format(*self._seed_and_frame(index))

    def _is_made(self, seed: int, frame: int) -> bool:
        path = self._path(seed, frame)
        return path.exists() and (self._pictures is None or has_pictures(picture_folder(path, self._pictures)))

    def _pose(self, T_world_base: RigidTransform, seed: int, frame: int) -> RigidTransform:
        return T_world_base @ self._spec(seed, frame).T_base_lidar()

    def _spec(self, seed: int, frame: int) -> LidarSpec:
        draw = LidarSpec.random if self._variety == "streets" else wide_lidar
        return self._lidar or draw(np.random.default_rng([seed, 3, frame]))

    def world(self, seed: int) -> "World":
        """The street of a seed, built anew."""
        from offline_training.synthetic.streets.layout import build_world
        from offline_training.synthetic.wide.layout import build_wide_world

        return build_world(seed) if self._variety == "streets" else build_wide_world(seed)

    def _sweep(self, scene: "Scene", spec: LidarSpec, seed: int, frame: int) -> PointCloud:
        from offline_training.synthetic.sensors.disturbances import disturbed
        from offline_training.synthetic.sensors.lidar import sweep

        time_s, rng = frame * self._gap_s, np.random.default_rng([seed, 2, frame])
        cloud = sweep(scene, spec, time_s, nanoseconds(time_s), rng)
        return disturbed(cloud, spec, rng) if self._variety == "wide" and self._lidar is None else cloud

    def _path(self, seed: int, frame: int) -> Path:
        parts = [VERSION, seed, frame, self._gap_s, asdict(self._spec(seed, frame))]
        if self._variety == "wide":
            parts += ["wide", WIDE_VERSION]
        identity = json.dumps(parts, sort_keys=True)
        return self._folder / f"{seed:05d}_{frame:03d}_{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"

    def _make(self, seed: int) -> None:
        from offline_training.synthetic.sensors.camera import take_ring
        from offline_training.synthetic.sensors.scene import Scene
        from offline_training.synthetic.sensors.shading import weather

        scene = Scene(self.world(seed))
        sky = weather(seed, scene.world.sun_direction)
        for frame in range(self._frames_per_seed):
            path, spec, time_s = self._path(seed, frame), self._spec(seed, frame), frame * self._gap_s
            if not path.exists():
                write_sweep(path, self._sweep(scene, spec, seed, frame))
            if not self._is_made(seed, frame) and self._pictures is not None:
                shots = take_ring(scene, sky, spec, time_s, self._pictures.width)
                write_pictures(
                    picture_folder(path, self._pictures), shots, self._pose(scene.world.ego_pose(time_s), seed, frame)
                )


def open_streets(source: SyntheticSource, _: Names, classes: ClassTable) -> SyntheticDataset:
    """The sweeps of a source, of which none is made yet; raises BadConfig for a LiDAR that is not known."""
    if source.lidar is not None and source.lidar not in LIDARS:
        raise BadConfig(
            f"lidar: expected one of {', '.join(LIDARS)}, found {source.lidar!r}. Choose one, or leave it out."
        )
    seeds = range(source.first_seed, source.first_seed + source.streets)
    lidar = None if source.lidar is None else LIDARS[source.lidar]
    pictures = None if source.image_width is None else PictureSpec(source.image_width)
    return SyntheticDataset(
        seeds, source.frames_per_street, Path(source.folder), lidar, pictures=pictures, variety=source.variety
    )


SPEC = DataSetSpec(
    source=SyntheticSource,
    what="synthetic streets, made on first use",
    layout=Layout((("NNNNN_NNN_<hash>.npz", "a sweep, made on first use"),)),
    classes=("nuscenes16",),
    open=open_streets,
    made_files="*.npz",
    counts=FileCounts({"scans": "*.npz"}),
)
