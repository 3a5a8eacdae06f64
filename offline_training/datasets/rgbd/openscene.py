"""Scenes in OpenScene's processed form: `<name>_3d` with a .pth for each scene, `<name>_2d` with its posed images.

name: scannet, matterport, replica or nuscenes, each with its own depth scale and its own way to find the images of a scene.
Matterport3D is also there with other labels of the same scenes, in folders matterport_3d_40, _80 and _160 after their number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.rgbd.files.openscene_file import read_scene_file
from offline_training.datasets.rgbd.files.rgbd_scenes import RgbdScenes, Views, ViewStepSource, by_scenes
from offline_training.datasets.rgbd.files.rgbd_view import posed_views

_NEAREST_VIEWS = 100  # for regions of Matterport3D that no camera stands in
_LAYOUT = Layout(
    (
        (
            "scannet_3d/train/scene0000_00_vh_clean_2.pth",
            "points, colours, labels; or matterport_3d, matterport_3d_160, replica_3d, nuscenes_3d",
        ),
        ("scannet_2d/scene0000_00/color/0.jpg", "optional; <building> for Matterport3D, <split>/<scene> for nuScenes"),
        ("scannet_2d/scene0000_00/depth/0.png", "16 bits; not for nuScenes"),
        ("scannet_2d/scene0000_00/pose/0.txt", "4x4, camera to world; .npy for nuScenes"),
        ("scannet_2d/intrinsics.txt", "or intrinsic/*.txt (Matterport3D), K/*.npy (nuScenes) of each image"),
    )
)


class OpenSceneSource(SplitSource, ViewStepSource):
    """Some scenes of one of its data sets."""

    kind: Literal["openscene"] = "openscene"


@dataclass(frozen=True)
class _Kind:
    """What differs between the data sets."""

    name: str  # of its images' folder, <name>_2d
    depth_units_per_m: float
    classes: str
    image_folder: Callable[[Path, str], str]  # scene file and scene name -> folder below <name>_2d
    suffix: str = ""  # what file names have beside the scene's name


def _matterport(classes: str) -> _Kind:
    return _Kind("matterport", 4000.0, classes, lambda _, name: name.partition("_")[0])  # building_region


_KINDS = {
    "scannet_3d": _Kind("scannet", 1000.0, "scannet20", lambda _, name: name, "_vh_clean_2"),
    "matterport_3d": _matterport("matterport21"),
    **{f"matterport_3d_{count}": _matterport(f"matterport{count}") for count in (40, 80, 160)},
    "replica_3d": _Kind("replica", 6553.5, "scannet20", lambda _, name: name),
    "nuscenes_3d": _Kind(
        "nuscenes", 1000.0, "nuscenes16", lambda path, name: f"{path.parent.name}/{name}"
    ),  # split/scene; no depth
}


class OpenSceneScenes(RgbdScenes[tuple[str, Path]]):
    """Scenes as samples, in the world frame of their files; their labels are class ids already."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int | None = None,
    ) -> None:
        """folder: holds <name>_3d and <name>_2d, or is the former. sequences: its folders (train, val) or scenes.

        Raises BadDataset.
        """
        classes = classes or class_table("scannet20")
        super().__init__(folder, frames, classes, view_step, classes.name)
        self._points = scenes_folder(self.folder)
        self._kind = _KINDS[self._points.name]
        files = sorted((*self._points.glob("*.pth"), *self._points.glob("*/*.pth")))
        self.scenes = [(self._scene_name(path), path) for path in files if self._is_asked(path, sequences)]
        named = {path.parent.name for path in files} | {self._scene_name(path) for path in files}
        self._require_scenes(
            self._points,
            f"scenes ({_LAYOUT.line()})",
            f"{len(files)} files",
            [name for name in sequences or () if name not in named],
            "Unpack them, or fix `sequences`.",
        )

    def __getitem__(self, index: int) -> Sample:
        """The scene's points, classes and views; raises BadDataset naming the file when it is damaged."""
        name, path = self.scenes[index]
        xyz_m, rgb, raw = read_scene_file(path)
        extra = {} if rgb is None else {"rgb": rgb}
        cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, name, extra, in_sensor_frame=False)
        views = self.views(index)
        if self._kind.name == "matterport":
            views = _inside(views, xyz_m)
        return Sample(name, cloud, self._class_id(raw), self.classes, views)

    def _read_views(self, scene: tuple[str, Path]) -> Views:
        """All views of a scene (of Matterport3D: of its building), none where its images are not there."""
        name, path = scene
        root = self._points.with_name(f"{self._kind.name}_2d")
        images = root / self._kind.image_folder(path, name)
        if not (images / "pose").is_dir():
            return (), 0
        views, skipped = posed_views(images, root, name, self._view_step or 1, self._kind.depth_units_per_m)
        return self._chosen(views), skipped

    def _scene_name(self, path: Path) -> str:
        return path.stem.removesuffix(self._kind.suffix)

    def _is_asked(self, path: Path, sequences: Sequence[str] | None) -> bool:
        return sequences is None or path.parent.name in sequences or self._scene_name(path) in sequences


def scenes_folder(folder: Path) -> Path:
    """The folder of .pth files; raises BadDataset when there is none or more than one."""
    if folder.name in _KINDS:
        return folder
    there = [path for path in sorted(folder.glob("*_3d*")) if path.name in _KINDS]
    if len(there) != 1:
        raise BadDataset(
            f"{folder}: expected one folder of {', '.join(_KINDS)} ({_LAYOUT.line()}), found "
            f"{', '.join(path.name for path in there) or 'none'}. Point to one of them."
        )
    return there[0]


def _classes_of(source: OpenSceneSource) -> str:
    folder = Path(source.folder)
    return _KINDS[scenes_folder(folder).name].classes if folder.is_dir() else "scannet20"


def _inside(views: tuple[CameraView, ...], xyz_m: np.ndarray) -> tuple[CameraView, ...]:
    """Views whose camera stands within the box of the points; the nearest to its middle where none does."""
    if not views or not len(xyz_m):
        return views
    at_m = np.stack([view.T_cam_lidar.inverse().translation_m for view in views])
    low_m, high_m = xyz_m.min(axis=0), xyz_m.max(axis=0)
    inside = ((at_m > low_m) & (at_m < high_m)).all(axis=1)
    if inside.any():
        return tuple(view for view, kept in zip(views, inside, strict=True) if kept)
    distance_m = np.linalg.norm(at_m - (low_m + high_m) / 2, axis=1)
    return tuple(views[k] for k in np.argsort(distance_m, kind="stable")[:_NEAREST_VIEWS])


SPEC = DataSetSpec(
    source=OpenSceneSource,
    what="scenes in OpenScene's processed form: ScanNet, Matterport3D, Replica or nuScenes",
    layout=_LAYOUT,
    classes=("scannet20", "matterport21", "matterport40", "matterport80", "matterport160", "nuscenes16"),
    open=by_scenes(OpenSceneScenes),
    splits={"train": ("train",), "val": ("val",), "test": ("test",)},
    classes_of=_classes_of,
)
