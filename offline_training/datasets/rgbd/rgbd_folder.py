"""Posed RGB-D scenes in folders, as 7-Scenes stores them or as ScanNet's exporter writes them.

A scene's cloud is its .ply file where there is one, else it is fused from its depth images. Its frame is that of the
poses. Pictures of NYU Depth V2, which have no poses, are scenes of one frame each (nyu_frames.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile, BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.rgbd.rgbd_frames import Intrinsics, RgbdFiles, rgbd_files, rgbd_scenes
from offline_training.datasets.rgbd.rgbd_fusion import DepthFrame, fuse_depth
from offline_training.datasets.rgbd.rgbd_view import depth_camera, read_depth_m, rgbd_view, shared_intrinsics

_UNITS_PER_M = 1000.0
_VOXEL_M = 0.02
_CLOUDS_KEPT = 32  # some 10 MB each; training asks for them again and again, and fusing a scene takes seconds


@dataclass(frozen=True, eq=False)
class _Scene:
    name: str
    folder: Path
    files: dict[str, RgbdFiles]  # by the name of the frame
    intrinsics: Intrinsics | None
    views: tuple[CameraView, ...]  # of the frames whose poses mean something


class RgbdFolder:
    """Scenes as samples: all points of a scene, and its frames as views."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int = 1,
        label_field: str | None = None,
        label_table: str | None = None,
    ) -> None:
        """sequences: scenes by their path in the folder; frames: names of views; view_step: every n-th.

        label_field: property of the .ply that holds the truth; label_table: what its ids mean. Raises BadDataset.
        """
        classes = classes or class_table("scannet20")
        self.folder, self.classes = Path(folder), classes
        self._frames, self._view_step, self._label_field = frames, view_step, label_field
        self._label_map: LabelMap | None = None
        if label_field is not None:
            self._label_map = label_map(label_table or classes.name, classes)
        there = {self._name_of(path): path for path in rgbd_scenes(self.folder)}
        missing = [name for name in sequences or () if name not in there]
        if missing or not there:
            raise BadDataset(
                f"{self.folder}: expected scenes ({layout_line('rgbd_folder')}), found {', '.join(there) or 'none'}"
                f"{', not ' + ', '.join(missing) if missing else ''}. Point to a scene or to the folder of scenes."
            )
        self.scenes = [(name, there[name]) for name in (there if sequences is None else sequences)]
        self._read: dict[int, _Scene] = {}
        self._clouds: dict[int, PointCloud] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """The scene's cloud and views; raises BadDataset naming the scene when a file is damaged."""
        scene = self._scene(index)
        if index not in self._clouds:
            if len(self._clouds) == _CLOUDS_KEPT:
                del self._clouds[next(iter(self._clouds))]
            self._clouds[index] = _cloud(scene)
        cloud = self._clouds[index]
        return Sample(scene.name, cloud, self._class_id(scene, cloud), self.classes, scene.views)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The frames of a scene, without its cloud; raises BadDataset naming it."""
        return self._scene(index).views

    def skipped_views(self, index: int) -> int:
        """How many frames of a scene have poses that are infinite, not numbers or not rigid, and are left out."""
        scene = self._scene(index)
        return len(scene.files) - len(scene.views)

    def _name_of(self, scene: Path) -> str:
        return scene.resolve().name if scene == self.folder else scene.relative_to(self.folder).as_posix()

    def _scene(self, index: int) -> _Scene:
        if index not in self._read:
            self._read[index] = self._read_scene(*self.scenes[index])
        return self._read[index]

    def _read_scene(self, name: str, folder: Path) -> _Scene:
        chosen = [files for files in rgbd_files(folder) if self._frames is None or files.name in self._frames]
        chosen = chosen[:: self._view_step]
        intrinsics = shared_intrinsics(chosen, folder, self.folder)
        views = [rgbd_view(files, intrinsics, self.folder, name, _UNITS_PER_M) for files in chosen]
        known = tuple(view for view in views if view is not None)
        if not known:
            raise BadDataset(
                f"{name}: expected frames with a finite and rigid pose, found none among {len(chosen)}. "
                "Poses are 4x4, camera to world; check the asked frames."
            )
        return _Scene(name, folder, {files.name: files for files in chosen}, intrinsics, known)

    def _class_id(self, scene: _Scene, cloud: PointCloud) -> np.ndarray | None:
        if self._label_map is None or self._label_field is None:
            return None
        if self._label_field not in cloud.extra:
            raise BadDataset(
                f"{scene.name}: expected the labels {self._label_field} in a .ply of the scene, found "
                f"{', '.join(cloud.extra) or 'nothing'}. Correct label_field or leave it out."
            )
        return self._label_map.apply(cloud.extra[self._label_field])


def _cloud(scene: _Scene) -> PointCloud:
    meshes = sorted(scene.folder.glob("*.ply"))
    if len(meshes) > 1:
        raise BadDataset(
            f"{scene.name}: expected one .ply with the scene's points, found {', '.join(path.name for path in meshes)}. "
            "Keep one of them there."
        )
    if not meshes:
        xyz_m, rgb = fuse_depth((_depth_frame(scene, view) for view in scene.views), _VOXEL_M)
        return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "scene", {"rgb": rgb})
    try:
        return read_cloud(meshes[0])
    except BadCloudFile as error:
        raise BadDataset(f"{scene.name}: {error}") from error


def _depth_frame(scene: _Scene, view: CameraView) -> DepthFrame:
    files = scene.files[view.name]
    if files.depth is None:
        raise BadDataset(
            f"{scene.name}: expected a .ply with the scene's points or depth images, found neither. Copy one of them."
        )
    camera = depth_camera(files, files.depth, scene.intrinsics, scene.name)
    depth_m = read_depth_m(files.depth, scene.name, _UNITS_PER_M)
    return DepthFrame(view.T_cam_lidar.inverse(), camera, depth_m, view.load_rgb())
