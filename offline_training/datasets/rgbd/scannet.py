"""ScanNet v2: coloured meshes of rooms with labels of their vertices, and the RGB-D recordings they were made from.

Folder: `scans` and `scans_test` with a folder for each scene, as ScanNet's download script lays them, or one of these two.
Views are read from a scene's .sens file, else from exported folders beside its mesh, in `scannet_2d` or in
`scannet_frames_25k`; a scene without any has points alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile, BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.rgbd.rgbd_view import posed_views
from offline_training.datasets.rgbd.scannet_labels import TABLE_NAME, read_labels, read_segments
from offline_training.datasets.rgbd.sens_views import FRAME_STEP, sens_views

_EXPORTED = ("scannet_2d", "scannet_frames_25k")


class ScanNet:
    """Scenes as samples in ScanNet's world frame (z up), with colours and, where given, segments in `cloud.extra`."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
        view_step: int | None = None,
    ) -> None:
        """sequences: scenes, or lists of them such as scannetv2_val.txt in the folder; frames: names of views.

        view_step: every n-th frame; nothing = every 20th of a .sens file, all that were exported. Raises BadDataset.
        """
        classes = classes or class_table("scannet20")
        self.folder, self.classes = Path(folder), classes
        self._label_map = label_map("scannet", classes)
        self._frames, self._view_step = frames, view_step
        there = {path.parent.name: path.parent for path in self._meshes()}
        names = sorted(there) if sequences is None else [scene for name in sequences for scene in self._named(name)]
        missing = [name for name in names if name not in there]
        if missing or not names:
            raise BadDataset(
                f"{self.folder}: expected scenes ({layout_line('scannet')}), found {len(there)}"
                f"{', not ' + ', '.join(missing[:5]) if missing else ''}. Download them, or name others in `sequences`."
            )
        self.scenes = [(name, there[name]) for name in names]
        tables = (path for above in (self.folder, *self.folder.parents[:1]) for path in above.glob(TABLE_NAME))
        self._table = next(tables, None)
        self._views: dict[int, tuple[tuple[CameraView, ...], int]] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """The scene's vertices, classes and views; raises BadDataset naming the file when one is damaged."""
        name, scene = self.scenes[index]
        try:
            mesh = read_cloud(scene / f"{name}_vh_clean_2.ply")
        except BadCloudFile as error:
            raise BadDataset(f"{name}: {error}") from error
        raw = read_labels(scene, name, self._table, len(mesh))
        class_id = None if raw is None else self._label_map.apply(raw)
        return Sample(name, _with_segments(mesh, scene, name), class_id, self.classes, self.views(index))

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The views of a scene, without its points; raises BadDataset."""
        return self._views_of(index)[0]

    def skipped_views(self, index: int) -> int:
        """How many frames of a scene are left out because their pose is infinite or not rigid."""
        return self._views_of(index)[1]

    def _views_of(self, index: int) -> tuple[tuple[CameraView, ...], int]:
        if index not in self._views:
            name, scene = self.scenes[index]
            views, skipped = self._read_views(name, scene)
            chosen = (view for view in views if self._frames is None or view.name in self._frames)
            self._views[index] = tuple(chosen), skipped
        return self._views[index]

    def _read_views(self, name: str, scene: Path) -> tuple[list[CameraView], int]:
        sens = scene / f"{name}.sens"
        if sens.exists():
            return sens_views(sens, self._view_step or FRAME_STEP)
        roots = (self.folder, self.folder.parent)
        places = [scene, *(root / exported / name for root in roots for exported in _EXPORTED)]
        exported = next((place for place in places if (place / "pose").is_dir()), None)
        if exported is None:
            return [], 0
        root = exported.parent if exported != scene else self.folder
        return posed_views(exported, root, name, self._view_step or 1)

    def _meshes(self) -> list[Path]:
        return [path for depth in ("*", "*/*") for path in self.folder.glob(f"{depth}/*_vh_clean_2.ply")]

    def _named(self, name: str) -> list[str]:
        """The scenes of a list of scenes, or the scene of that name."""
        if not name.endswith(".txt"):
            return [name]
        places = [self.folder / name, self.folder.parent / name, self.folder / "Tasks" / "Benchmark" / name]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            raise BadDataset(
                f"{self.folder}: expected the list {name} of ScanNet's authors there or above, found none. "
                "Copy it from their repository (Tasks/Benchmark), or name scenes in `sequences`."
            )
        return path.read_text("utf-8").split()


def _with_segments(mesh: PointCloud, scene: Path, name: str) -> PointCloud:
    """The mesh's points with colours and, where the scene has segments, `superpoint` beside them."""
    if "rgb" not in mesh.extra:
        raise BadDataset(f"{name}: expected red, green and blue of the vertices, found none. Download the mesh again.")
    extra = {"rgb": mesh.extra["rgb"]}
    segments = read_segments(scene, name, len(mesh))
    if segments is not None:
        extra["superpoint"] = segments
    return PointCloud(mesh.xyz_m, np.zeros(len(mesh), np.float32), 0, name, extra)
