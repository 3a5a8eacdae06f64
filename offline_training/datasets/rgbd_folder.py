"""Posed RGB-D scenes in folders, as 7-Scenes stores them or as ScanNet's exporter writes them.

A scene's cloud is its .ply file where there is one, else it is fused from its depth images. Its frame is that of the poses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.camera_view import CameraView
from lidar_vl_core.errors import BadDataset
from lidar_vl_core.labels import NUSCENES_16, ClassTable
from lidar_vl_core.point_cloud import PointCloud
from offline_training.datasets.layouts import layout_line
from offline_training.datasets.rgbd_frames import Intrinsics, RgbdFiles, read_intrinsics, rgbd_files, rgbd_scenes
from offline_training.datasets.rgbd_fusion import DepthFrame, fuse_depth
from offline_training.datasets.rgbd_view import depth_camera, read_depth_m, rgbd_view
from offline_training.datasets.sample import Sample

_VOXEL_M = 0.02
_CLOUDS_KEPT = 32  # fused ones, some 10 MB each; they are asked for again and again in training


@dataclass(frozen=True, eq=False)
class _Scene:
    name: str
    folder: Path
    files: dict[str, RgbdFiles]  # by the name of the frame
    intrinsics: Intrinsics
    views: tuple[CameraView, ...]  # of the frames whose poses mean something


class RgbdFolder:
    """Scenes as samples: all points of a scene, and its frames as views."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable = NUSCENES_16,
        view_step: int = 1,
    ) -> None:
        """sequences: scenes by their path in the folder; frames: names of views; view_step: every n-th. Raises BadDataset."""
        self.folder, self.classes = Path(folder), classes
        self._frames, self._view_step = frames, view_step
        there = {self._name_of(path): path for path in rgbd_scenes(self.folder)}
        missing = [name for name in sequences or () if name not in there]
        if missing or not there:
            raise BadDataset(
                f"{self.folder}: expected scenes ({layout_line('rgbd_folder')}), found {', '.join(there) or 'none'}"
                f"{', not ' + ', '.join(missing) if missing else ''}. Point to a scene or to the folder of scenes."
            )
        self._scenes = [(name, there[name]) for name in (there if sequences is None else sequences)]
        self._read: dict[int, _Scene] = {}
        self._clouds: dict[int, PointCloud] = {}

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Sample:
        """The scene's cloud and views; raises BadDataset naming the scene when a file is damaged."""
        scene = self._scene(index)
        if index not in self._clouds:
            if len(self._clouds) == _CLOUDS_KEPT:
                del self._clouds[next(iter(self._clouds))]
            self._clouds[index] = _fused(scene)
        return Sample(scene.name, self._clouds[index], None, self.classes, scene.views)

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
            self._read[index] = self._read_scene(*self._scenes[index])
        return self._read[index]

    def _read_scene(self, name: str, folder: Path) -> _Scene:
        chosen = [files for files in rgbd_files(folder) if self._frames is None or files.name in self._frames]
        files = {each.name: each for each in chosen[:: self._view_step]}
        intrinsics = read_intrinsics(folder, self.folder)
        views = (rgbd_view(each, intrinsics, self.folder, name) for each in files.values())
        scene = _Scene(name, folder, files, intrinsics, tuple(view for view in views if view is not None))
        if not scene.views:
            raise BadDataset(
                f"{name}: expected frames with a finite and rigid pose, found none among {len(files)}. "
                "Poses are 4x4, camera to world; check the asked frames."
            )
        return scene


def _fused(scene: _Scene) -> PointCloud:
    xyz_m, rgb = fuse_depth((_depth_frame(scene, view) for view in scene.views), _VOXEL_M)
    return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "scene", {"rgb": rgb})


def _depth_frame(scene: _Scene, view: CameraView) -> DepthFrame:
    files = scene.files[view.name]
    camera = depth_camera(files, scene.intrinsics, scene.name)
    depth_m = read_depth_m(files.depth, scene.name, 1000.0)
    return DepthFrame(view.T_cam_lidar.inverse(), camera, depth_m, view.load_rgb())
