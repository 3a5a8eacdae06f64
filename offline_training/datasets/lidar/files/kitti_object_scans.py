"""Scans of KITTI's object detection: training/ and testing/, and the lists of ImageSets/ that split them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import read_small_text
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample_files import read_rows
from offline_training.datasets.lidar.files.kitti_calibration import KittiCalibration, read_calibration
from offline_training.datasets.lidar.files.kitti_scan_names import other_files, scan_files

LAYOUT = Layout(
    (
        ("training/velodyne/000000.bin", "4 x float32 a point; testing/ alike"),
        ("training/calib/000000.txt", "P2, R0_rect and Tr_velo_to_cam"),
        ("training/image_2/000000.png", "the image; its size says which points it shows"),
        ("training/label_2/000000.txt", "boxes, 15 columns a line"),
        ("training/planes/000000.txt", "optional: the road, on which pasted objects stand"),
        ("ImageSets/train.txt", "a scan's name in each line; val.txt, trainval.txt and test.txt alike"),
    )
)
TRAINING, TESTING = "training", "testing"
_COLUMNS = 4  # x, y, z, reflectance 0..1


@dataclass(frozen=True, slots=True)
class ObjectScan:
    """Where the files of one scan lie."""

    part: Path  # the folder training or testing
    scan: str  # such as "000012"

    @property
    def name(self) -> str:
        """Unique in the data set."""
        return f"{self.part.name}/{self.scan}"

    def points(self) -> np.ndarray:
        """(N, 4) float32 x, y, z and reflectance; raises BadDataset naming the file when it is missing, cut or empty."""
        path = self.part / "velodyne" / f"{self.scan}.bin"
        rows = read_rows(path, _COLUMNS, self.name)
        if len(rows) == 0:
            raise BadDataset(f"{self.name}: expected points in {path}, found an empty file. Unpack the scans again.")
        return rows

    def calibration(self) -> KittiCalibration:
        """Raises BadDataset naming the file when it is missing."""
        path = self.part / "calib" / f"{self.scan}.txt"
        if not path.is_file():
            raise BadDataset(
                f"{self.name}: expected its calibration {path}, found none. Unpack KITTI's data_object_calib.zip there."
            )
        return read_calibration(path)

    def ground(self) -> np.ndarray | None:
        """(4,) float64 a, b, c, d of the road in the frame of camera 0, b < 0 as its y points down; None where there is no file.

        AVOD's files: the numbers stand in the fourth line. Raises BadDataset naming a damaged one.
        """
        path = self.part / "planes" / f"{self.scan}.txt"
        if not path.is_file():
            return None
        try:
            plane = np.array(read_small_text(path).splitlines()[3].split(), np.float64)
        except (OSError, ValueError, IndexError) as error:
            raise BadDataset(
                f"{self.name}: {path}: expected 4 numbers in line 4, found: {str(error)[:80]}. Copy it again."
            ) from error
        if plane.shape != (4,) or not np.isfinite(plane).all() or plane[1] == 0:
            raise BadDataset(f"{self.name}: {path}: expected a plane in line 4, found {plane.tolist()}. Copy it again.")
        return -plane if plane[1] > 0 else plane

    @property
    def picture(self) -> Path:
        """The colour image, which need not exist."""
        return self.part / "image_2" / f"{self.scan}.png"

    @property
    def labels(self) -> Path:
        """The boxes, which testing/ does not have."""
        return self.part / "label_2" / f"{self.scan}.txt"


def object_scans(folder: Path, lists: Sequence[str] | None, frames: Collection[str] | None) -> list[ObjectScan]:
    """The scans of lists such as "train" (None = all of training/), those of the chosen names alone (None = all).

    Raises BadDataset for a list or a listed scan that is not there, and where nothing is left.
    """
    if lists is None:
        there = _scans_in(folder / TRAINING)
        found = [ObjectScan(folder / TRAINING, scan) for scan in there if frames is None or scan in frames]
    else:
        found = [scan for name in lists for scan in _listed(folder, name) if frames is None or scan.scan in frames]
    if not found:
        raise BadDataset(
            f"{folder}: expected scans of KITTI's object detection ({LAYOUT.line()}), found "
            f"{other_files(folder / TRAINING / 'velodyne')} in training/velodyne. Point to the folder that holds `training`."
        )
    return found


def _scans_in(part: Path) -> list[str]:
    return [path.stem for path in scan_files(part / "velodyne", _COLUMNS)]


def _listed(folder: Path, name: str) -> list[ObjectScan]:
    path = folder / "ImageSets" / f"{name}.txt"
    try:
        lines = read_small_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise BadDataset(
            f"{folder}: expected the list of scans ImageSets/{name}.txt, found: {error}. KITTI itself has none: copy those "
            "of Chen et al. (train 3712, val 3769 scans), which codes for detection bring along."
        ) from error
    part = folder / (TESTING if name == "test" else TRAINING)
    there = set(_scans_in(part))
    scans = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if missing := [(number, scan) for number, scan in scans if scan not in there]:
        raise BadDataset(
            f"{path}: expected the names of scans in {part / 'velodyne'}, found {len(missing)} of {len(scans)} that are not "
            f"there, {missing[0][1]!r} in line {missing[0][0]} first. Unpack all scans, or name `frames`."
        )
    return [ObjectScan(part, scan) for _, scan in scans]
