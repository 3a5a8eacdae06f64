"""ScanNet v2: coloured meshes of rooms with labels of their vertices, and the RGB-D recordings they were made from.

Folder: `scans` and `scans_test` with a folder for each scene, as ScanNet's download script lays them, or one of these two.
Views are read from a scene's .sens file, else from exported folders beside its mesh, in `scannet_2d` or in
`scannet_frames_25k`; a scene without any has points alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.rgbd.files.rgbd_scenes import RgbdScenes, Views, ViewStepSource, by_scenes
from offline_training.datasets.rgbd.files.rgbd_view import posed_views
from offline_training.datasets.rgbd.files.scannet_labels import TABLE_NAME, LabelIds, read_labels, read_segments
from offline_training.datasets.rgbd.files.scene_mesh import read_scene_mesh
from offline_training.datasets.rgbd.files.sens_views import FRAME_STEP, sens_views

_FINE = "scannet200"
_EXPORTED = ("scannet_2d", "scannet_frames_25k")
_LAYOUT = Layout(
    (
        ("scans/scene0000_00/scene0000_00_vh_clean_2.ply", "the mesh; scans_test alike"),
        ("scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply", "or .aggregation.json and .segs.json"),
        ("scans/scene0000_00/scene0000_00_vh_clean_2.0.010000.segs.json", "optional: superpoints"),
        ("scans/scene0000_00/scene0000_00.sens", "or folders color, depth, pose, intrinsic"),
        ("scannet_frames_25k/scene0000_00/color/000000.jpg", "optional, in place of .sens; depth, pose alike"),
        ("scannetv2_train.txt", "the official split; scannetv2_val.txt and scannetv2_test.txt alike"),
        ("scannetv2-labels.combined.tsv", "only for labels by .aggregation.json, as scannet200 has them"),
    )
)


class ScanNetSource(SplitSource, ViewStepSource):
    """Some scenes, or lists of them."""

    kind: Literal["scannet"] = "scannet"
    view_step: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description=f"every n-th view; default: all, every {FRAME_STEP}th of a .sens file"
    )


class ScanNet(RgbdScenes[tuple[str, Path]]):
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
        self._ids: LabelIds = "id" if classes.name == _FINE else "nyu40id"
        super().__init__(folder, frames, classes, view_step, f"{_FINE}_ids" if self._ids == "id" else "scannet")
        there = {path.parent.name: path.parent for path in self._meshes()}
        names = sorted(there) if sequences is None else [scene for name in sequences for scene in self._named(name)]
        self.scenes = [(name, there[name]) for name in names if name in there]
        self._require_scenes(
            self.folder,
            f"scenes ({_LAYOUT.line()})",
            str(len(there)),
            [name for name in names if name not in there],
            "Download them, or choose others in `sequences`.",
        )
        tables = (path for above in (self.folder, *self.folder.parents[:1]) for path in above.glob(TABLE_NAME))
        self._table = next(tables, None)
        self._known_ids = () if self._label_map is None else np.flatnonzero(self._label_map.class_of_raw >= 0)

    def __getitem__(self, index: int) -> Sample:
        """The scene's vertices, classes and views; raises BadDataset naming the file when one is damaged."""
        name, scene = self.scenes[index]
        mesh = read_scene_mesh(scene / f"{name}_vh_clean_2.ply", name)
        raw = read_labels(scene, name, self._table, len(mesh), self._ids)
        if raw is not None and self._ids == "id":
            raw = np.where(np.isin(raw, self._known_ids), raw, 0)  # names of no class of the benchmark
        return Sample(name, _with_segments(mesh, scene, name), self._class_id(raw), self.classes, self.views(index))

    def _read_views(self, scene: tuple[str, Path]) -> Views:
        name, folder = scene
        sens, exported = folder / f"{name}.sens", self._exported(name, folder)
        if sens.exists():
            views, skipped = sens_views(sens, self._view_step or FRAME_STEP)
        elif exported is not None:
            root = exported.parent if exported != folder else self.folder
            views, skipped = posed_views(exported, root, name, self._view_step or 1)
        else:
            return (), 0
        return self._chosen(views), skipped

    def _exported(self, name: str, scene: Path) -> Path | None:
        roots = (self.folder, self.folder.parent)
        places = [scene, *(root / exported / name for root in roots for exported in _EXPORTED)]
        return next((place for place in places if (place / "pose").is_dir()), None)

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
    return PointCloud(mesh.xyz_m, np.zeros(len(mesh), np.float32), 0, name, extra, in_sensor_frame=False)


SPEC = DataSetSpec(
    source=ScanNetSource,
    what="ScanNet v2: rooms as coloured meshes, with the RGB-D recordings they were made from",
    layout=_LAYOUT,
    classes=("scannet20", "scannet200"),
    open=by_scenes(ScanNet),
    # Its lists name scenes; they are read from the user's copy.
    splits={"train": ("scannetv2_train.txt",), "val": ("scannetv2_val.txt",), "test": ("scannetv2_test.txt",)},
)
