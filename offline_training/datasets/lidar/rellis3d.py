"""RELLIS-3D: off-road scans of an Ouster OS1-64, with the lists of scans that its authors publish as splits.

Folder: `00000` to `00004` with os1_cloud_node_kitti_bin/*.bin and os1_cloud_node_semantickitti_label_id/*.label, and
pt_train.lst, pt_val.lst, pt_test.lst.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec, Splits, by_sequences
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import (
    KittiFormat,
    KittiScans,
    ScanFiles,
    require_scans,
    scans_below,
)

_FORMAT = KittiFormat(
    kind="rellis3d",
    layout=Layout(
        (
            ("00000/os1_cloud_node_kitti_bin/000000.bin", "4 x float32 a point; 00000 to 00004"),
            ("00000/os1_cloud_node_semantickitti_label_id/000000.label", "uint32 a point"),
            ("pt_train.lst", "a line for each scan: its .bin and its .label; pt_val.lst and pt_test.lst alike"),
        )
    ),
    frame_id="os1",
    root=lambda folder: folder,
    points_folder="os1_cloud_node_kitti_bin",
    labels_folder="os1_cloud_node_semantickitti_label_id",
)


class Rellis3dSource(SplitSource):
    """Scans of some sequences, or of its authors' lists of scans."""

    kind: Literal["rellis3d"] = "rellis3d"


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
            scans += scans_below(_FORMAT, folder, folders, frames)
        super().__init__(_FORMAT, require_scans(_FORMAT, folder, scans), classes)


def _listed(folder: Path, name: str) -> list[ScanFiles]:
    """The scans of a list, sorted by their path as the published numbers' loader does before it takes every n-th."""
    path = folder / name
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(
            f"{folder}: expected {_FORMAT.layout.line()}, found: {error}. Unpack the data set and its LiDAR split file there."
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


def _counts(source: Rellis3dSource, dataset: SampleSource, splits: Splits) -> Iterator[str]:
    folder = Path(source.folder)
    yield from _FORMAT.counts.by_sequence(folder)
    for split, (name,) in splits.items():
        yield f"split {split}: {_listed_scans(folder, name)}"


def _listed_scans(folder: Path, name: str) -> str:
    try:
        scans = Rellis3d(folder, (name,)).scans
    except BadDataset as error:
        return str(error)
    missing = sum(not (scan.points.exists() and scan.labels.exists()) for scan in scans)
    return f"{len(scans):,} scans listed in {name}, {missing:,} of them without scan or label file"


SPEC = DataSetSpec(
    source=Rellis3dSource,
    what="RELLIS-3D: off-road scans",
    layout=_FORMAT.layout,
    classes=("rellis3d19", "rellis3d14"),
    open=by_sequences(Rellis3d),
    # Its authors' own lists; they name scans, so they are read from the user's copy.
    splits={"train": ("pt_train.lst",), "val": ("pt_val.lst",), "test": ("pt_test.lst",)},
    counts=_counts,
)
