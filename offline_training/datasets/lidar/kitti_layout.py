"""Scans in SemanticKITTI's file format, wherever a data set keeps them: float32 rows beside uint32 labels."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.clouds.point_cloud import PointCloud, normalise_intensity
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_files import read_rows, read_values


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Where one scan lies."""

    name: str  # sequence and scan, such as "00/000012"
    points: Path
    labels: Path  # need not exist


@dataclass(frozen=True)
class RowFormat:
    """What a row of a scan's file holds: x, y, z, intensity and perhaps more."""

    columns: int = 4
    full_intensity: float | None = 1.0  # the value that becomes 1; None = judged by each scan's maximum


class KittiScans:
    """Scans as samples, in the LiDAR's frame (x forward, y left, z up). Without a label file class_id is None."""

    def __init__(
        self, scans: Sequence[ScanFiles], row_format: RowFormat, label_source: str, classes: ClassTable, frame_id: str
    ) -> None:
        """label_source: a source of class_table.label_map(). Raises BadLabels where it has no map into `classes`."""
        self.scans, self.classes = tuple(scans), classes
        self._format, self._frame_id = row_format, frame_id
        self._label_map = label_map(label_source, classes)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> Sample:
        """The scan's cloud and classes; raises BadDataset naming it when a file is damaged."""
        files = self.scans[index]
        rows = read_rows(files.points, self._format.columns, files.name)
        cloud = PointCloud(
            xyz_m=np.ascontiguousarray(rows[:, :3]),
            intensity=self._intensity(rows[:, 3]),
            stamp_ns=0,  # these data sets give no time of a scan
            frame_id=self._frame_id,
        )
        return Sample(files.name, cloud, read_classes(files.labels, self._label_map, files.name), self.classes)

    def _intensity(self, stored: np.ndarray) -> np.ndarray:
        if self._format.full_intensity is None:
            return normalise_intensity(stored)
        return np.clip(stored / np.float32(self._format.full_intensity), 0.0, 1.0)


def read_classes(path: Path, labels: LabelMap, sample_name: str) -> np.ndarray | None:
    """The classes of a label file, None where there is none; raises BadDataset naming the sample for unknown ids."""
    if not path.exists():
        return None
    try:
        return labels.apply(read_values(path, np.uint32, sample_name))
    except BadLabels as error:
        raise BadDataset(f"{sample_name}: {error}") from error


def scans_below(
    kind: str,
    folder: Path,
    root: Path,
    sequences: Sequence[str] | None,
    frames: Collection[str] | None,
    points_folder: str = "velodyne",
    labels_folder: str = "labels",
) -> list[ScanFiles]:
    """The scans root/<sequence>/<points_folder>/*.bin of some sequences and frames (None = all), in order.

    Raises BadDataset that tells the layout of `kind` when a sequence or every scan is missing.
    """
    if sequences is None:
        sequences = sorted(path.name for path in root.glob("*") if (path / points_folder).is_dir())
    scans = [
        ScanFiles(f"{sequence}/{path.stem}", path, root / sequence / labels_folder / f"{path.stem}.label")
        for sequence in sequences
        for path in _scan_files(kind, folder, root / sequence / points_folder)
        if frames is None or path.stem in frames
    ]
    return require_scans(kind, folder, scans)


def require_scans(kind: str, folder: Path, scans: Iterable[ScanFiles]) -> list[ScanFiles]:
    """The scans, at least one; raises BadDataset that tells the layout of `kind` otherwise."""
    found = list(scans)
    if not found:
        raise BadDataset(
            f"{folder}: expected scans of {kind} ({layout_line(kind)}), found none. Unpack the data set there."
        )
    return found


def sequences_root(folder: Path) -> Path:
    """`folder/sequences` where there is one, else the folder itself."""
    return folder / "sequences" if (folder / "sequences").is_dir() else folder


def _scan_files(kind: str, folder: Path, points: Path) -> list[Path]:
    found = sorted(points.glob("*.bin"))
    if not found:
        raise BadDataset(
            f"{folder}: expected scans of {kind} ({layout_line(kind)}), found none in {points}. "
            "Unpack the data set there, or choose other sequences."
        )
    return found
