"""Posed RGB-D scenes in folders, as 7-Scenes stores them or as ScanNet's exporter writes them.

A scene's cloud is its .ply file where there is one, else it is fused from its depth images. Its frame is that of the
poses. Images of NYU Depth V2, which have no poses, are scenes of one frame each (files/nyu_frames.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import LabelFieldSource, Names
from offline_training.datasets.rgbd.files.nyu_frames import LABEL_TABLE, NyuFrames, holds_nyu_frames
from offline_training.datasets.rgbd.files.rgbd_frames import LAYOUT, Intrinsics, RgbdFiles, rgbd_files, rgbd_scenes
from offline_training.datasets.rgbd.files.rgbd_fusion import DepthFrame, fuse_depth
from offline_training.datasets.rgbd.files.rgbd_scenes import RgbdScenes, Views, ViewStepSource
from offline_training.datasets.rgbd.files.rgbd_view import depth_camera, read_depth_m, rgbd_view, shared_intrinsics
from offline_training.datasets.rgbd.files.scene_mesh import read_scene_mesh

_UNITS_PER_M = 1000.0
_VOXEL_M = 0.02
_CLOUDS_KEPT = 32  # some 10 MB each; training asks for them again and again, and fusing a scene takes seconds


class RgbdFolderSource(ViewStepSource, LabelFieldSource):
    """Some scenes of a folder."""

    kind: Literal["rgbd_folder"] = "rgbd_folder"


@dataclass(frozen=True, eq=False)
class _Scene:
    name: str
    folder: Path
    files: dict[str, RgbdFiles]  # by the name of the frame
    intrinsics: Intrinsics | None
    views: tuple[CameraView, ...]  # of the frames whose poses mean something


class RgbdFolder(RgbdScenes[tuple[str, Path]]):
    """Scenes as samples: all points of a scene, and its frames as views."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int | None = None,
        label_field: str | None = None,
        label_table: str | None = None,
    ) -> None:
        """sequences: scenes by their path in the folder; frames: names of views; view_step: every n-th.

        label_field: property of the .ply that holds the truth; label_table: what its ids mean. Raises BadDataset.
        """
        classes = classes or class_table("scannet20")
        super().__init__(
            folder, frames, classes, view_step, None if label_field is None else label_table or classes.name
        )
        self._label_field = label_field
        there = {self._name_of(path): path for path in rgbd_scenes(self.folder)}
        asked = list(there) if sequences is None else sequences
        self.scenes = [(name, there[name]) for name in asked if name in there]
        self._require_scenes(
            self.folder,
            f"scenes ({LAYOUT.line()})",
            ", ".join(there) or "none",
            [name for name in asked if name not in there],
            "Point to a scene or to the folder of scenes.",
        )
        self._read: dict[str, _Scene] = {}
        self._clouds: dict[int, PointCloud] = {}

    def __getitem__(self, index: int) -> Sample:
        """The scene's cloud and views; raises BadDataset naming the scene when a file is damaged."""
        scene = self._scene(*self.scenes[index])
        if index not in self._clouds:
            if len(self._clouds) == _CLOUDS_KEPT:
                del self._clouds[next(iter(self._clouds))]
            self._clouds[index] = _cloud(scene)
        cloud = self._clouds[index]
        return Sample(scene.name, cloud, self._class_id(self._raw(scene, cloud)), self.classes, scene.views)

    def _read_views(self, scene: tuple[str, Path]) -> Views:
        read = self._scene(*scene)
        return read.views, len(read.files) - len(read.views)

    def _name_of(self, scene: Path) -> str:
        return scene.resolve().name if scene == self.folder else scene.relative_to(self.folder).as_posix()

    def _scene(self, name: str, folder: Path) -> _Scene:
        if name not in self._read:
            self._read[name] = self._read_scene(name, folder)
        return self._read[name]

    def _read_scene(self, name: str, folder: Path) -> _Scene:
        chosen = [files for files in rgbd_files(folder) if self._frames is None or files.name in self._frames]
        chosen = chosen[:: self._view_step or 1]
        intrinsics = shared_intrinsics(chosen, folder, self.folder)
        views = [rgbd_view(files, intrinsics, self.folder, name, _UNITS_PER_M) for files in chosen]
        known = tuple(view for view in views if view is not None)
        if not known:
            raise BadDataset(
                f"{name}: expected frames with a finite and rigid pose, found none among {len(chosen)}. "
                "Poses are 4x4, camera to world; check the asked frames."
            )
        return _Scene(name, folder, {files.name: files for files in chosen}, intrinsics, known)

    def _raw(self, scene: _Scene, cloud: PointCloud) -> np.ndarray | None:
        if self._label_field is None:
            return None
        if self._label_field not in cloud.extra:
            raise BadDataset(
                f"{scene.name}: expected the labels {self._label_field} in a .ply of the scene, found "
                f"{', '.join(cloud.extra) or 'nothing'}. Fix label_field or leave it out."
            )
        return cloud.extra[self._label_field]


def _cloud(scene: _Scene) -> PointCloud:
    meshes = sorted(scene.folder.glob("*.ply"))
    if len(meshes) > 1:
        raise BadDataset(
            f"{scene.name}: expected one .ply with the scene's points, found {', '.join(path.name for path in meshes)}. "
            "Keep one of them there."
        )
    if not meshes:
        xyz_m, rgb = fuse_depth((_depth_frame(scene, view) for view in scene.views), _VOXEL_M)
        return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "scene", {"rgb": rgb}, in_sensor_frame=False)
    return read_scene_mesh(meshes[0], scene.name)


def _depth_frame(scene: _Scene, view: CameraView) -> DepthFrame:
    files = scene.files[view.name]
    if files.depth is None:
        raise BadDataset(
            f"{scene.name}: expected a .ply with the scene's points or depth images, found neither. Copy one of them."
        )
    camera = depth_camera(files, files.depth, scene.intrinsics, scene.name)
    depth_m = read_depth_m(files.depth, scene.name, _UNITS_PER_M)
    return DepthFrame(view.T_cam_lidar.inverse(), camera, depth_m, view.load_rgb())


def _open(source: RgbdFolderSource, sequences: Names, classes: ClassTable) -> RgbdFolder | NyuFrames:
    folder = Path(source.folder)
    if holds_nyu_frames(folder):
        _refuse(source, ("frames", "view_step", "label_field"), "images of NYU Depth V2, a scene of one view each")
        return NyuFrames(folder, sequences, classes, source.label_table)
    if source.label_field is None:
        _refuse(source, ("label_table",), "no label_field that it could explain")
    labels = source.label_field, source.label_table
    return RgbdFolder(folder, sequences, source.frames, classes, source.view_step, *labels)


def _refuse(source: RgbdFolderSource, keys: tuple[str, ...], found: str) -> None:
    if given := [key for key in keys if getattr(source, key) is not None]:
        raise BadConfig(f"{source.folder}: expected no key {', '.join(given)}, found {found}. Leave it out.")


SPEC = DataSetSpec(
    source=RgbdFolderSource,
    what="any posed RGB-D scenes: 7-Scenes, ScanNet's exporter; images of NYU Depth V2",
    layout=LAYOUT,
    classes=("scannet20", "nyu13"),
    open=_open,
    classes_of=lambda source: "nyu13" if source.label_table == LABEL_TABLE else "scannet20",
)
