"""Scenes in OpenScene's processed form: `<name>_3d` with a .pth for each scene, `<name>_2d` with its posed images.

name: scannet, matterport, replica or nuscenes, each with its own depth scale and its own way to find the images of a scene.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.rgbd.openscene_file import read_scene_file
from offline_training.datasets.rgbd.rgbd_view import posed_views

_NEAREST_VIEWS = 100  # for regions of Matterport3D that no camera stands in


@dataclass(frozen=True)
class _Kind:
    """What differs between the data sets."""

    depth_units_per_m: float
    classes: str
    image_folder: Callable[[Path, str], str]  # scene file and scene name -> folder below <name>_2d
    suffix: str = ""  # what file names have beside the scene's name


_KINDS = {
    "scannet": _Kind(1000.0, "scannet20", lambda _, name: name, "_vh_clean_2"),
    "matterport": _Kind(4000.0, "matterport21", lambda _, name: name.partition("_")[0]),  # building_region
    "replica": _Kind(6553.5, "scannet20", lambda _, name: name),
    "nuscenes": _Kind(1000.0, "nuscenes16", lambda path, name: f"{path.parent.name}/{name}"),  # split/scene; no depth
}


class OpenSceneScenes:
    """Scenes as samples, in the world frame of their files; their labels are class ids already."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int = 1,
    ) -> None:
        """folder: holds <name>_3d and <name>_2d, or is a <name>_3d. sequences: its folders (train, val) or scenes.

        Raises BadDataset.
        """
        classes = classes or class_table("scannet20")
        self.folder, self.classes = Path(folder), classes
        self._label_map = label_map(classes.name, classes)
        self._frames, self._view_step = frames, view_step
        self.name, self._points = scenes_folder(self.folder)
        self._kind = _KINDS[self.name]
        files = sorted((*self._points.glob("*.pth"), *self._points.glob("*/*.pth")))
        self.scenes = [(self._scene_name(path), path) for path in files if self._is_asked(path, sequences)]
        named = {path.parent.name for path in files} | {self._scene_name(path) for path in files}
        missing = [name for name in sequences or () if name not in named]
        if missing or not self.scenes:
            raise BadDataset(
                f"{self._points}: expected scenes ({layout_line('openscene')}), found {len(files)} files"
                f"{', none for ' + ', '.join(missing[:5]) if missing else ''}. Unpack them, or correct `sequences`."
            )
        self._views: dict[int, tuple[list[CameraView], int]] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """The scene's points, classes and views; raises BadDataset naming the file when it is damaged."""
        name, path = self.scenes[index]
        xyz_m, rgb, raw = read_scene_file(path)
        extra = {} if rgb is None else {"rgb": rgb}
        cloud = PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, name, extra)
        class_id = None if raw is None else self._label_map.apply(raw)
        views = self.views(index)
        if self.name == "matterport":
            views = _inside(views, xyz_m)
        return Sample(name, cloud, class_id, self.classes, views)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """All views of a scene (of Matterport3D: of its building), none where its images are not there."""
        chosen = (view for view in self._views_of(index)[0] if self._frames is None or view.name in self._frames)
        return tuple(chosen)

    def skipped_views(self, index: int) -> int:
        """How many views of a scene are left out because their pose is not finite or not rigid."""
        return self._views_of(index)[1]

    def _views_of(self, index: int) -> tuple[list[CameraView], int]:
        if index not in self._views:
            name, path = self.scenes[index]
            root = self._points.with_name(f"{self.name}_2d")
            images = root / self._kind.image_folder(path, name)
            self._views[index] = ([], 0)
            if (images / "pose").is_dir():
                units = self._kind.depth_units_per_m
                self._views[index] = posed_views(images, root, name, self._view_step, units)
        return self._views[index]

    def _scene_name(self, path: Path) -> str:
        return path.stem.removesuffix(self._kind.suffix)

    def _is_asked(self, path: Path, sequences: Sequence[str] | None) -> bool:
        return sequences is None or path.parent.name in sequences or self._scene_name(path) in sequences


def scenes_folder(folder: Path) -> tuple[str, Path]:
    """Name of the data set and its folder of .pth files; raises BadDataset when there is none or more than one."""
    named = {f"{name}_3d": name for name in _KINDS}
    if folder.name in named:
        return named[folder.name], folder
    there = [path for path in sorted(folder.glob("*_3d")) if path.name in named]
    if len(there) != 1:
        raise BadDataset(
            f"{folder}: expected one folder of {', '.join(named)} ({layout_line('openscene')}), found "
            f"{', '.join(path.name for path in there) or 'none'}. Point to one of them."
        )
    return named[there[0].name], there[0]


def openscene_classes(folder: Path) -> str:
    """Name of the class table that the labels below a folder have; raises BadDataset."""
    return _KINDS[scenes_folder(folder)[0]].classes


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
