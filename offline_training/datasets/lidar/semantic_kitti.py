"""SemanticKITTI: KITTI odometry's scans with raw point labels, calibration, poses and the colour image of camera 2.

Folder: `sequences/XX/` with velodyne/*.bin, labels/*.label, calib.txt, poses.txt (or SuMa's), image_2/*.png. Only the
scans must be there; with images or for poses the calibration too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.data_set_spec import DataSetSpec, by_sequences
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_files import read_rows
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import read_classes
from offline_training.datasets.lidar.files.kitti_scan_names import require_labels_fit
from offline_training.datasets.lidar.files.kitti_sequence import COLUMNS, KittiSequence

_LAYOUT = Layout(
    (
        ("sequences/00/velodyne/000000.bin", "4 x float32 a point; other names: rows of the lists by order"),
        ("sequences/00/labels/000000.label", "uint32 a point; 00 to 10"),
        ("sequences/00/image_2/000000.png", "optional"),
        ("sequences/00/calib.txt", "P2 and Tr, for images and poses; those of KITTI object and raw too"),
        ("sequences/00/poses.txt", "optional"),
        ("sequences/00/times.txt", "optional"),
    )
)
TRAIN = ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10")
VALIDATION = ("08",)


class SemanticKittiSource(SplitSource):
    """Scans of some sequences, with the image of camera 2."""

    kind: Literal["semantic_kitti"] = "semantic_kitti"


class SemanticKitti:
    """Scans of some sequences as samples, in the Velodyne's frame (x forward, y left, z up).

    A scan without a label file has class_id None; the view is image_2, where the file is there.
    """

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """sequences: names such as "08"; frames: scan names such as "000000" of each; None = all. Raises BadDataset."""
        classes = classes or class_table("semantic_kitti19")
        self.folder, self.classes = Path(folder), classes
        self._label_map = label_map("semantic_kitti", classes)
        root = self.folder / "sequences"
        there = sorted(path.name for path in root.glob("*") if (path / "velodyne").is_dir())
        names = there if sequences is None else sequences
        self._sequences = {name: KittiSequence(root / name, _LAYOUT.line()) for name in names}
        for name, sequence in self._sequences.items():
            require_labels_fit(sequence.folder / self.label_folder(name), sequence.scans)
        self.scans = [
            (name, scan)
            for name, sequence in self._sequences.items()
            for scan in sequence.scans
            if frames is None or scan in frames
        ]
        if not self.scans:
            raise BadDataset(
                f"{self.folder}: expected scans ({_LAYOUT.line()}), found none for sequences {list(names)} "
                "and the asked frames. Point to the folder that holds `sequences`."
            )

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> Sample:
        """The scan's cloud, classes and colour image; raises BadDataset naming it when a file is damaged."""
        sequence_name, scan = self.scans[index]
        sequence, name = self._sequences[sequence_name], f"{sequence_name}/{scan}"
        points = read_rows(sequence.folder / "velodyne" / f"{scan}.bin", COLUMNS, name)
        cloud = PointCloud(
            xyz_m=np.ascontiguousarray(points[:, :3]),
            intensity=scaled_intensity(points[:, 3], 1.0),
            stamp_ns=sequence.stamp_ns(scan),
            frame_id="velodyne",
        )
        labels = sequence.folder / self.label_folder(sequence_name) / f"{scan}.label"
        class_id = read_classes(labels, self._label_map, name)
        return Sample(name, cloud, class_id, self.classes, sequence.views(scan, name))

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The colour image alone, where it is there, without reading the scan; raises BadDataset naming it."""
        sequence_name, scan = self.scans[index]
        return self._sequences[sequence_name].views(scan, f"{sequence_name}/{scan}")

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a scan's frame in the first scan's frame; raises BadDataset where the sequence has no poses."""
        sequence_name, scan = self.scans[index]
        return self._sequences[sequence_name].T_world_lidar(scan)

    def label_folder(self, sequence: str) -> str:
        """The folder of a sequence that holds its labels; the same for all here, but not for every set of labels."""
        return "labels"


SPEC = DataSetSpec(
    source=SemanticKittiSource,
    what="SemanticKITTI: streets, with the images and poses of KITTI odometry",
    layout=_LAYOUT,
    classes=("semantic_kitti19", "nuscenes16"),
    open=by_sequences(SemanticKitti),
    splits={"train": TRAIN, "val": VALIDATION, "test": tuple(f"{number:02d}" for number in range(11, 22))},
    counts=FileCounts({"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label", "pictures": "*/image_2/*.png"}),
)
