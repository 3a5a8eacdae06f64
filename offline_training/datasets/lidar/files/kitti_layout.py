"""Scans in SemanticKITTI's file format, wherever a data set keeps them: float32 rows beside uint32 labels."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.clouds.intensity import full_scale, scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.base.file_counts import FileCounts, sequences_root
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_files import read_rows, read_values
from offline_training.datasets.base.source_config import Names, SequencesSource
from offline_training.datasets.lidar.files.kitti_scan_names import other_files, require_labels_fit, scan_files

_JUDGED_BY = 5  # scans that tell the scale of an intensity whose unit nobody tells


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Where one scan lies."""

    name: str  # sequence and scan, such as "00/000012"
    points: Path
    labels: Path  # need not exist


@dataclass(frozen=True)
class KittiFormat:
    """Where a data set keeps its scans <root>/<sequence>/<points folder>/*.bin, and what a row of them holds."""

    kind: str  # of the data set, and the source of its label map
    layout: Layout
    frame_id: str
    columns: int = 4  # x, y, z, intensity and perhaps more
    full_intensity: float | None = 1.0  # the value that becomes 1; None = judged once, by the first scans
    root: Callable[[Path], Path] = sequences_root  # of the data set's folder
    points_folder: str = "velodyne"
    labels_folder: str = "labels"

    def open(self, source: SequencesSource, sequences: Names, classes: ClassTable) -> "KittiScans":
        """The data set of a source; raises BadDataset."""
        return KittiScans(self, scans_below(self, Path(source.folder), sequences, source.frames), classes)

    @property
    def counts(self) -> FileCounts:
        """Numbers of scans and labels."""
        patterns = {"scans": f"*/{self.points_folder}/*.bin", "labels": f"*/{self.labels_folder}/*.label"}
        return FileCounts(patterns, self.root)


class KittiScans:
    """Scans as samples, in the LiDAR's frame (x forward, y left, z up). Without a label file class_id is None."""

    def __init__(self, scan_format: KittiFormat, scans: Sequence[ScanFiles], classes: ClassTable) -> None:
        """Raises BadLabels where the data set's labels have no map into `classes`."""
        self.scans, self.classes = tuple(scans), classes
        self._format = scan_format
        self._label_map = label_map(scan_format.kind, classes)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> Sample:
        """The scan's cloud and classes; raises BadDataset naming it when a file is damaged."""
        files = self.scans[index]
        rows = read_rows(files.points, self._format.columns, files.name)
        cloud = PointCloud(
            xyz_m=np.ascontiguousarray(rows[:, :3]),
            intensity=scaled_intensity(rows[:, 3], self._full_intensity),
            stamp_ns=0,  # these data sets give no time of a scan
            frame_id=self._format.frame_id,
        )
        return Sample(files.name, cloud, read_classes(files.labels, self._label_map, files.name), self.classes)

    @cached_property
    def _full_intensity(self) -> float:
        """One for all scans, so that a reflector in one of them changes nothing."""
        if self._format.full_intensity is not None:
            return self._format.full_intensity
        stored = [np.empty(0, np.float32)]
        for files in self.scans[:_JUDGED_BY]:
            try:
                stored.append(read_rows(files.points, self._format.columns, files.name)[:, 3])
            except BadDataset:  # told when the scan is asked for
                continue
        return full_scale(np.concatenate(stored)) or 1.0


def read_classes(path: Path, labels: LabelMap, sample_name: str) -> np.ndarray | None:
    """(N,) classes of a label file, None where there is none; raises BadDataset naming the sample for unknown ids."""
    if not path.exists():
        return None
    try:
        return labels.apply(read_values(path, np.uint32, sample_name))
    except BadLabels as error:
        raise BadDataset(f"{sample_name}: {error}") from error


def scans_below(
    scan_format: KittiFormat, folder: Path, sequences: Sequence[str] | None, frames: Collection[str] | None
) -> list[ScanFiles]:
    """The scans of some sequences and frames (None = all), in order.

    Raises BadDataset that tells the layout when a sequence or every scan is missing.
    """
    root, points = scan_format.root(folder), scan_format.points_folder
    if sequences is None:
        sequences = sorted(path.name for path in root.glob("*") if (path / points).is_dir())
    scans = [
        ScanFiles(f"{sequence}/{path.stem}", path, root / sequence / scan_format.labels_folder / f"{path.stem}.label")
        for sequence in sequences
        for path in _scan_files(scan_format, folder, root / sequence / points)
        if frames is None or path.stem in frames
    ]
    return require_scans(scan_format, folder, scans)


def require_scans(scan_format: KittiFormat, folder: Path, scans: Iterable[ScanFiles]) -> list[ScanFiles]:
    """The scans, at least one; raises BadDataset that tells the layout otherwise."""
    found = list(scans)
    if not found:
        raise BadDataset(
            f"{folder}: {_expected(scan_format)}, found none. Point to the folder of the layout's first line, or unpack it there."
        )
    return found


def _scan_files(scan_format: KittiFormat, folder: Path, points: Path) -> list[Path]:
    found = sorted(scan_files(points, scan_format.columns))  # by name, as the loaders that published fractions do
    if not found:
        raise BadDataset(
            f"{folder}: {_expected(scan_format)}, found {other_files(points)} in {points}. "
            "Unpack the data set there, or choose other sequences."
        )
    require_labels_fit(points.parent / scan_format.labels_folder, [path.stem for path in found])
    return found


def _expected(scan_format: KittiFormat) -> str:
    return f"expected scans of {scan_format.kind} ({scan_format.layout.line()})"
