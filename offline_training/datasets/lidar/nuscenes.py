"""nuScenes and nuScenes-lidarseg: key frames with LIDAR_TOP, six cameras and point classes, without its devkit."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset, BadLabels, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.data_set_spec import DataSetSpec, Splits
from offline_training.datasets.base.file_counts import lacking_scans, split_counts
from offline_training.datasets.base.label_fractions import labelled_scenes
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import T_FLU_RFU, Sample
from offline_training.datasets.base.sample_files import read_picture_bytes, read_rgb, read_rows, read_values
from offline_training.datasets.base.source_config import Names, SplitSource
from offline_training.datasets.lidar.files.nuscenes_records import scene_names, version_folder
from offline_training.datasets.lidar.files.nuscenes_splits import NUSCENES_SPLITS
from offline_training.datasets.lidar.files.nuscenes_tables import KeyFrame, NuScenesTables, Shot, chosen_frames

LIDAR = "LIDAR_TOP"
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
COLUMNS = 5  # x, y, z, intensity 0..255, ring


class NuScenesSource(SplitSource):
    """Key frames of some scenes."""

    kind: Literal["nuscenes"] = "nuscenes"
    version: str = Field(default="v1.0-trainval", description="folder of the tables; v1.0-mini, v1.0-test")
    label_skip: int = Field(default=1, description="scenes number n, 2 n, 3 n, ... are kept; 100 = 1 % of the labels")


@dataclass(frozen=True, slots=True)
class KeyFrameFiles:
    """What the tables say of a key frame, without opening any of it."""

    name: str  # scene and sample token
    lidar_token: str  # of the sweep's sample_data record, by which submissions name it
    sweep: Path
    labels: Path | None
    pictures: tuple[Path, ...]


class NuScenes:
    """Key frames as samples; clouds in LIDAR_TOP's place, turned from its x right, y forward into x forward, y left.

    extra: "ring" uint8. Without lidarseg labels class_id is None. Each camera has its own ego pose: T_cam_lidar includes
    the motion of the vehicle between sweep and image.
    """

    def __init__(
        self,
        folder: Path,
        version: str = "v1.0-trainval",
        scenes: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        cameras: Sequence[str] = CAMERAS,
        classes: ClassTable | None = None,
    ) -> None:
        """scenes: names such as "scene-0061"; frames: sample tokens; None = all. Raises BadDataset."""
        classes = classes or class_table("nuscenes16")
        self.folder, self.classes, self.cameras = Path(folder), classes, tuple(cameras)
        self._label_map = label_map("nuscenes_lidarseg", classes)
        self._tables = NuScenesTables(self.folder, version, (LIDAR, *cameras), scenes)
        self._key_frames = chosen_frames(self._tables.key_frames, frames)

    def __len__(self) -> int:
        return len(self._key_frames)

    def __getitem__(self, index: int) -> Sample:
        """The key frame's cloud, classes and images; raises BadDataset naming it when something is missing or damaged."""
        frame = self._key_frames[index]
        sweep = frame.shot(LIDAR)
        points = read_rows(self.folder / sweep.file, COLUMNS, frame.name)
        views = self.views(index)
        try:
            class_id = self._read_classes(frame, sweep)
        except BadLabels as error:
            raise BadDataset(f"{frame.name}: {error}") from error
        cloud = PointCloud(
            xyz_m=T_FLU_RFU.apply(points[:, :3]),
            intensity=scaled_intensity(points[:, 3], 255.0),
            stamp_ns=sweep.stamp_ns,
            frame_id=LIDAR,
            extra={"ring": points[:, 4].astype(np.uint8)},
        )
        return Sample(frame.name, cloud, class_id, self.classes, views)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The key frame's views alone, without reading its cloud; raises BadDataset naming it."""
        frame = self._key_frames[index]
        try:
            T_world_lidar = self._tables.T_global_sensor(frame.shot(LIDAR)) @ T_FLU_RFU.inverse()
            return tuple(self._view(frame, channel, T_world_lidar) for channel in self.cameras)
        except (BadTransform, BadCalibration) as error:
            raise BadDataset(f"{frame.name}: {error}") from error

    def files(self, index: int) -> KeyFrameFiles:
        """Where the parts of a key frame lie; raises BadDataset naming it when the tables lack a sensor."""
        frame = self._key_frames[index]
        sweep = frame.shot(LIDAR)
        labels = self._tables.label_file_of.get(sweep.token)
        return KeyFrameFiles(
            frame.name,
            sweep.token,
            self.folder / sweep.file,
            None if labels is None else self.folder / labels,
            tuple(self.folder / frame.shot(channel).file for channel in self.cameras),
        )

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a sample's cloud frame in the map of its city, which the scenes there share."""
        return self._tables.T_global_sensor(self._key_frames[index].shot(LIDAR)) @ T_FLU_RFU.inverse()

    def _view(self, frame: KeyFrame, channel: str, T_world_lidar: RigidTransform) -> CameraView:
        shot = frame.shot(channel)
        camera = CameraModel(shot.width, shot.height, self._tables.intrinsics(shot))
        T_cam_lidar = self._tables.T_global_sensor(shot).inverse() @ T_world_lidar
        path = self.folder / shot.file
        load_rgb, read_bytes = (
            partial(read_rgb, path, frame.name, camera),
            partial(read_picture_bytes, path, frame.name),
        )
        return CameraView(channel, camera, T_cam_lidar, shot.stamp_ns, load_rgb, read_bytes, shot.file)

    def _read_classes(self, frame: KeyFrame, sweep: Shot) -> np.ndarray | None:
        file = self._tables.label_file_of.get(sweep.token)
        return None if file is None else self._label_map.apply(read_values(self.folder / file, np.uint8, frame.name))


def chosen_scenes(source: NuScenesSource, sequences: Names) -> Names:
    """The scenes that keep their labels among the chosen ones; raises BadConfig and BadDataset."""
    if source.label_skip == 1:
        return sequences
    return labelled_scenes(scene_names(Path(source.folder), source.version), sequences, source.label_skip)


def _open(source: NuScenesSource, sequences: Names, classes: ClassTable) -> NuScenes:
    scenes = chosen_scenes(source, sequences)
    return NuScenes(Path(source.folder), source.version, scenes, source.frames, classes=classes)


def _counts(source: NuScenesSource, dataset: NuScenes, splits: Splits) -> Iterator[str]:
    """Key frames of each scene and which of their files are there."""
    counts: dict[str, Counter[str]] = {}
    lacking = []
    for files in map(dataset.files, range(len(dataset))):
        scene = counts.setdefault(files.name.partition("/")[0], Counter())
        scene["key frames"] += 1
        scene["scans"] += files.sweep.exists()
        if not files.sweep.exists():
            lacking.append(files.name)
        scene["labels"] += files.labels is not None and files.labels.exists()
        scene["pictures"] += sum(path.exists() for path in files.pictures)
    for name, scene in counts.items():
        yield f"{name}: " + ", ".join(f"{what} {count:,}" for what, count in scene.items())
    yield from split_counts(splits, counts)
    yield from lacking_scans(lacking, len(dataset), f"{source.version}/sample.json")


SPEC = DataSetSpec(
    source=NuScenesSource,
    what="nuScenes with the point labels of nuScenes-lidarseg, six cameras",
    layout=Layout(
        (
            ("v1.0-trainval/scene.json", "and the other tables; v1.0-mini and v1.0-test alike"),
            ("v1.0-trainval/lidarseg.json", "of nuScenes-lidarseg"),
            ("samples/LIDAR_TOP/*.pcd.bin", "5 x float32 a point"),
            ("samples/CAM_FRONT/*.jpg", "and five more cameras"),
            ("lidarseg/v1.0-trainval/*_lidarseg.bin", "uint8 a point"),
        )
    ),
    classes=("nuscenes16",),
    open=_open,
    splits=NUSCENES_SPLITS,
    thins_scenes=True,
    quick_look=lambda source: version_folder(Path(source.folder), source.version),
    counts=_counts,
)
