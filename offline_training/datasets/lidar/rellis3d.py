"""RELLIS-3D: off-road scans of an Ouster OS1-64, with the lists of scans that its authors publish as splits.

Folder: `00000` to `00004` with os1_cloud_node_kitti_bin/*.bin and os1_cloud_node_semantickitti_label_id/*.label, and
pt_train.lst, pt_val.lst, pt_test.lst.
"""

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.lidar.kitti_layout import KittiScans, RowFormat, ScanFiles, require_scans, scans_below

_POINTS, _LABELS = "os1_cloud_node_kitti_bin", "os1_cloud_node_semantickitti_label_id"


class Rellis3d(KittiScans):
    """Scans as samples. Intensities are 16-bit counts by 65,535 in its files, so they stay far below 1."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """sequences: names such as "00000", or lists of scans such as "pt_train.lst"; frames: scan names of each.

        None = all. Raises BadDataset.
        """
        classes = classes or class_table("rellis3d19")
        lists = [name for name in sequences or () if name.endswith(".lst")]
        folders = None if sequences is None else [name for name in sequences if not name.endswith(".lst")]
        scans = [scan for name in lists for scan in _listed(folder, name)]
        if frames is not None:
            scans = [scan for scan in scans if scan.points.stem in frames]
        if folders or not lists:
            scans += scans_below("rellis3d", folder, folder, folders, frames, _POINTS, _LABELS)
        super().__init__(require_scans("rellis3d", folder, scans), RowFormat(), "rellis3d", classes, "os1")


def _listed(folder: Path, name: str) -> list[ScanFiles]:
    """The scans of a list, sorted by their path as the published numbers' loader does before it takes every n-th."""
    path = folder / name
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(
            f"{folder}: expected {layout_line('rellis3d')}, found: {error}. Unpack the data set and its LiDAR split file there."
        ) from error
    if wrong := [line for line in lines if len(line) != 2 or not all(_is_inside(part) for part in line)]:
        raise BadDataset(
            f"{path}: expected lines `scan.bin scan.label` with paths below the folder, found {' '.join(wrong[0])!r}. "
            "Download the LiDAR split file again."
        )
    return [
        ScanFiles(f"{PurePosixPath(points).parts[0]}/{Path(points).stem}", folder / points, folder / labels)
        for points, labels in sorted(map(tuple, lines))
    ]


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] != "/" and ".." not in parts
