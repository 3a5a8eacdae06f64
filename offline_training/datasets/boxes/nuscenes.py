"""nuScenes for detection: key frames with the sweeps before them in one frame, and boxes of ten classes with velocities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.nuscenes import boxes_of_nuscenes
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.evaluation.detection.nuscenes_frame import NuscenesFrame
from lidar_vl_core.foundation.errors import BadBoxes, BadDataset, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.joining import EarlierSweep, joined_sweeps
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.datasets.base.sample_files import read_rows
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.nuscenes_annotations import NuScenesAnnotations
from offline_training.datasets.lidar.files.nuscenes_tables import NuScenesTables, Shot, chosen_frames
from offline_training.datasets.lidar.nuscenes import COLUMNS, LIDAR, NuScenesSource, chosen_scenes

MAP = "map"  # frame of a city
_MOST_SWEEPS = 20  # a second at 20 Hz
_MOST_POINTS = 1_000_000  # of a sample: more than 20 sweeps have, so that none is thinned


class NuScenesClouds:
    """Key frames of LIDAR_TOP, turned into x forward, y left, with the sweeps before them where the vehicle has driven since.

    Where sweeps are joined, the cloud's field "time_lag_s" says how long before the key frame a point was measured. At the
    start of a scene there are fewer sweeps. Nobody need have drawn boxes, as in v1.0-test.
    """

    def __init__(
        self, folder: Path, version: str, scenes: Sequence[str] | None, frames: Sequence[str] | None, sweeps: int
    ) -> None:
        """scenes: names; frames: sample tokens; None = all; sweeps: with the key frame's. Raises BadDataset."""
        self.folder, self._sweeps = Path(folder), sweeps
        self._tables = NuScenesTables(self.folder, version, (LIDAR,), scenes, sweeps_of=LIDAR if sweeps > 1 else None)
        self._key_frames = chosen_frames(self._tables.key_frames, frames)

    def __len__(self) -> int:
        return len(self._key_frames)

    def sample_token(self, index: int) -> str:
        """The token by which a submission names the key frame."""
        return self._key_frames[index].token

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a sample's cloud frame in the map of its city; raises BadDataset naming the key frame."""
        frame = self._key_frames[index]
        return self._pose(frame.shot(LIDAR), frame.name)

    def cloud(self, index: int) -> PointCloud:
        """The points of a key frame and of the sweeps before it; raises BadDataset naming it when one is missing or damaged."""
        frame = self._key_frames[index]
        key = frame.shot(LIDAR)
        newest = self._sweep(key, frame.name)
        if len(newest) == 0:
            raise BadDataset(
                f"{frame.name}: expected points in {self.folder / key.file}, found an empty file. Unpack it again."
            )
        if self._sweeps == 1:
            return newest
        T_lidar_world = self.T_world_lidar(index).inverse()
        earlier = [
            EarlierSweep(self._sweep(shot, frame.name), T_lidar_world @ self._pose(shot, frame.name))
            for shot in self._tables.earlier_sweeps(frame, self._sweeps - 1)
        ]
        return joined_sweeps(newest, earlier, _MOST_POINTS)

    def _sweep(self, shot: Shot, name: str) -> PointCloud:
        rows = read_rows(self.folder / shot.file, COLUMNS, name)
        return PointCloud(
            xyz_m=np.stack([rows[:, 1], -rows[:, 0], rows[:, 2]], axis=1),  # T_FLU_RFU, which is a quarter turn
            intensity=scaled_intensity(rows[:, 3], 255.0),
            stamp_ns=shot.stamp_ns,
            frame_id=LIDAR,
            extra={"ring": rows[:, 4].astype(np.uint8)},
        )

    def _pose(self, shot: Shot, name: str) -> RigidTransform:
        try:
            return self._tables.T_global_sensor(shot) @ T_FLU_RFU.inverse()
        except BadTransform as error:
            raise BadDataset(f"{name}: {error}") from error


class NuScenesBoxes(NuScenesClouds):
    """Key frames with their boxes."""

    def __init__(
        self,
        folder: Path,
        version: str = "v1.0-trainval",
        scenes: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        sweeps: int = 10,
    ) -> None:
        """The arguments, and what is raised, as NuScenesClouds has them."""
        super().__init__(folder, version, scenes, frames, sweeps)
        self.classes = classes or class_table("nuscenes10")
        self._annotations = NuScenesAnnotations(self._tables.folder, self._tables.sample_stamp_us, self.classes)

    def __getitem__(self, index: int) -> BoxSample:
        """The key frame's cloud and boxes; raises BadDataset naming it when something is missing or damaged."""
        frame = self._key_frames[index]
        boxes = self.boxes(index)
        counted = self._annotations.lidar_points(frame.token)
        return BoxSample(frame.name, self.cloud(index), boxes, self.classes, counted)

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone, in the frame of the cloud; raises BadDataset naming the key frame."""
        frame = self._key_frames[index]
        T_lidar_world = self.T_world_lidar(index).inverse()
        velocity_mps = self._annotations.velocity_mps(frame.token) @ T_lidar_world.rotation.T
        try:
            boxes = boxes_of_nuscenes(self._annotations.boxes(frame.token), T_lidar_world)
        except (BadBoxes, BadTransform) as error:
            raise BadDataset(f"{frame.name}: {self._annotations.path}: {error}") from error
        class_id = self._annotations.class_id(frame.token)
        return Boxes3d.of(boxes, class_id, velocity_mps=velocity_mps[:, :2], frame_id=LIDAR)

    def judged(self, index: int) -> NuscenesFrame:
        """What the benchmark compares with, in the map of the city, without predictions; raises BadDataset naming the key frame.

        Its boxes are those of boxes(), with attributes, the bicycle racks, and where the vehicle stands.
        """
        frame, annotations = self._key_frames[index], self._annotations
        in_map = RigidTransform(np.eye(3), np.zeros(3))
        try:
            boxes, racks = (
                boxes_of_nuscenes(each, in_map)
                for each in (annotations.boxes(frame.token), annotations.bike_racks(frame.token))
            )
            vehicle_xy_m = self._tables.T_global_ego(frame.shot(LIDAR)).translation_m[:2]
        except (BadBoxes, BadTransform) as error:
            raise BadDataset(f"{frame.name}: {annotations.path}: {error}") from error
        velocity_mps = annotations.velocity_mps(frame.token)[:, :2]
        truth = Boxes3d.of(boxes, annotations.class_id(frame.token), velocity_mps=velocity_mps, frame_id=MAP)
        nothing = truth.taken(np.zeros(len(truth), bool))
        attribute = annotations.attributes(frame.token)
        return NuscenesFrame(truth, nothing, vehicle_xy_m, truth_attribute=attribute, bike_racks=racks)


def _open(source: NuScenesSource, sequences: Names, classes: ClassTable, sweeps: int) -> NuScenesBoxes:
    scenes = chosen_scenes(source, sequences)
    return NuScenesBoxes(Path(source.folder), source.version, scenes, source.frames, classes, sweeps)


BOXES = BoxSpec(
    source=NuScenesSource,
    classes=("nuscenes10",),
    open=_open,
    are_there=lambda source, _: (Path(source.folder) / source.version / "sample_annotation.json").is_file(),
    most_sweeps=_MOST_SWEEPS,
)
