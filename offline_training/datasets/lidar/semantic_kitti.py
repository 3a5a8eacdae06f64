"""SemanticKITTI: KITTI odometry's scans with raw point labels, calibration, poses and the colour image of camera 2.

Folder: `sequences/XX/` with velodyne/*.bin, labels/*.label, calib.txt, poses.txt (or SuMa's), image_2/*.png. Only the
scans must be there; with images the calibration too.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset, BadTransform
from lidar_vl_core.foundation.stamps import NS_PER_S, nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.data_set_spec import DataSetSpec, by_sequences
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_files import image_size, read_picture_bytes, read_rgb, read_rows
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import read_classes

_COLUMNS = 4  # x, y, z, reflectance 0..1
_FRAMES_PER_SECOND = 10  # the Velodyne's rate; times.txt, where present, says it exactly

_LAYOUT = Layout(
    (
        ("sequences/00/velodyne/000000.bin", "4 x float32 a point"),
        ("sequences/00/labels/000000.label", "uint32 a point; 00 to 10"),
        ("sequences/00/image_2/000000.png", "optional"),
        ("sequences/00/calib.txt", "P2 and Tr"),
        ("sequences/00/poses.txt", "optional"),
        ("sequences/00/times.txt", "optional"),
    )
)
TRAIN = ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10")
VALIDATION = ("08",)


class SemanticKittiSource(SplitSource):
    """Scans of some sequences, with the picture of camera 2."""

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
        self._sequences = {name: _Sequence(root / name) for name in names}
        self.scans = [
            (sequence, scan)
            for sequence in self._sequences
            for scan in self._sequences[sequence].scans
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
        points = read_rows(sequence.folder / "velodyne" / f"{scan}.bin", _COLUMNS, name)
        cloud = PointCloud(
            xyz_m=np.ascontiguousarray(points[:, :3]),
            intensity=np.clip(points[:, 3], 0.0, 1.0),
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


class _Sequence:
    """Scans, calibration, stamps and poses of one sequence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scans = sorted(path.stem for path in (folder / "velodyne").glob("*.bin"))
        if not self.scans:
            raise BadDataset(
                f"{folder}: expected scans of a sequence ({_LAYOUT.line()}), found none. "
                "Unpack the sequence, or choose others."
            )
        needed = (folder / "image_2").is_dir() or (folder / "calib.txt").exists()
        self._calibration = _read_calibration(folder / "calib.txt") if needed else None

    def stamp_ns(self, scan: str) -> int:
        """Time since the sequence's start."""
        path = self.folder / "times.txt"
        if not path.exists():
            return int(scan) * NS_PER_S // _FRAMES_PER_SECOND
        try:
            return nanoseconds(float(path.read_text().split()[int(scan)]))
        except (OSError, ValueError, IndexError) as error:
            raise BadDataset(f"{path}: expected seconds in row {int(scan)}, found: {error}. Copy it again.") from error

    def views(self, scan: str, name: str) -> tuple[CameraView, ...]:
        """The colour image, if it is there. KITTI's images are rectified, so the camera is a pinhole."""
        path = self.folder / "image_2" / f"{scan}.png"
        if self._calibration is None or not path.exists():
            return ()
        width, height = image_size(path, name)
        P2, T_cam0_lidar = self._calibration
        K = P2[:, :3]
        try:
            camera = CameraModel(width, height, K)
        except BadCalibration as error:
            raise BadDataset(f"{self.folder / 'calib.txt'}: P2: {error}") from error
        # P2 = K [I | t]: camera 2 stands beside camera 0, both look the same way.
        T_cam2_cam0 = RigidTransform(np.eye(3), np.linalg.solve(K, P2[:, 3]))
        T_cam2_lidar = T_cam2_cam0 @ T_cam0_lidar
        load_rgb, read_bytes = partial(read_rgb, path, name, camera), partial(read_picture_bytes, path, name)
        file = f"sequences/{self.folder.name}/image_2/{scan}.png"
        return (CameraView("image_2", camera, T_cam2_lidar, self.stamp_ns(scan), load_rgb, read_bytes, file),)

    def T_world_lidar(self, scan: str) -> RigidTransform:
        """From poses.txt, which holds poses of camera 0 in its first frame."""
        path = self.folder / "poses.txt"
        if self._calibration is None:
            raise BadDataset(f"{self.folder}: expected calib.txt beside the poses, found none. Copy the calibration.")
        T_cam0_lidar = self._calibration[1]
        try:
            rows = np.loadtxt(path, ndmin=2)
            T_cam0_start_now = RigidTransform.from_matrix(rows[int(scan)].reshape(3, 4))
        except (OSError, ValueError, IndexError, BadTransform) as error:
            raise BadDataset(
                f"{path}: expected 12 numbers in row {int(scan)}, found: {error}. Copy the poses."
            ) from error
        return T_cam0_lidar.inverse() @ T_cam0_start_now @ T_cam0_lidar


def _read_calibration(path: Path) -> tuple[np.ndarray, RigidTransform]:
    """P2 (3, 4) and T_cam0_lidar."""
    rows = _read_rows(path)
    if "P2" not in rows or "Tr" not in rows:
        raise BadDataset(f"{path}: expected P2 and Tr, found {', '.join(rows)}. Copy it again.")
    try:
        return rows["P2"], RigidTransform.from_matrix(rows["Tr"])
    except BadTransform as error:
        raise BadDataset(f"{path}: Tr: {error}") from error


def _read_rows(path: Path) -> dict[str, np.ndarray]:
    """KITTI's calib.txt: name: 12 numbers -> (3, 4)."""
    try:
        rows = (line.partition(":") for line in path.read_text().splitlines() if line.strip())
        return {name.strip(): np.array(values.split(), np.float64).reshape(3, 4) for name, _, values in rows}
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path}: expected lines `name: 12 numbers`, found: {error}. Copy the file again.") from error


SPEC = DataSetSpec(
    source=SemanticKittiSource,
    what="SemanticKITTI: streets, with the pictures and poses of KITTI odometry",
    layout=_LAYOUT,
    classes=("semantic_kitti19", "nuscenes16"),
    open=by_sequences(SemanticKitti),
    splits={"train": TRAIN, "val": VALIDATION, "test": tuple(f"{number:02d}" for number in range(11, 22))},
    counts=FileCounts({"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label", "pictures": "*/image_2/*.png"}),
)
