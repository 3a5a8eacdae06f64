"""A sequence in KITTI odometry's layout: its scans with times, poses, calibration and the image of camera 2."""

from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadDataset, BadTransform
from lidar_vl_core.foundation.files import read_small_text
from lidar_vl_core.foundation.stamps import NS_PER_S, nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.lidar.files.kitti_calibration import (
    KittiCalibration,
    calibration_file,
    read_calibration,
)
from offline_training.datasets.lidar.files.kitti_picture import picture_view
from offline_training.datasets.lidar.files.kitti_scan_names import are_numbered, other_files, rows_of, scan_files

COLUMNS = 4  # x, y, z, reflectance 0..1
_FRAMES_PER_SECOND = 10  # the Velodyne's rate; times.txt, where present, says it exactly


class KittiSequence:
    """One folder of sequences/. Its calibration is read where images or poses need it, and must be whole then."""

    def __init__(self, folder: Path, expected: str) -> None:
        """expected: the layout, for the error. Raises BadDataset without scans, or where images lack a calibration."""
        self.folder = folder
        self.scans = [path.stem for path in scan_files(folder / "velodyne", COLUMNS)]
        if not self.scans:
            raise BadDataset(
                f"{folder}: expected scans of a sequence ({expected}), found {other_files(folder / 'velodyne')} in "
                "velodyne. Unpack the sequence, or choose others."
            )
        self._row_of = rows_of(self.scans)
        self._calibrations: dict[Path, KittiCalibration] = {}
        if first := next((scan for scan in self.scans if self._picture(scan).exists()), None):
            self._calibration(first).P2()
            self._calibration(first).T_cam0_lidar()

    def stamp_ns(self, scan: str) -> int:
        """Time since the sequence's start: of times.txt, else by the scan's row at 10 Hz.

        Raises BadDataset for a damaged times.txt.
        """
        path, row = self.folder / "times.txt", self._row_of[scan]
        if not path.exists():
            return row * NS_PER_S // _FRAMES_PER_SECOND
        try:
            seconds = read_small_text(path).split()
            self._require_rows(path, len(seconds))
            return nanoseconds(float(seconds[row]))
        except (OSError, ValueError, IndexError, OverflowError) as error:
            raise BadDataset(
                f"{path}: expected seconds in row {row}, found: {str(error)[:80]}. Copy it again."
            ) from error

    def views(self, scan: str, name: str) -> tuple[CameraView, ...]:
        """The colour image, if it is there. Raises BadDataset."""
        path = self._picture(scan)
        if not path.exists():
            return ()
        file = f"sequences/{self.folder.name}/image_2/{scan}.png"
        return (picture_view(path, self._calibration(scan), self.stamp_ns(scan), name, file),)

    def T_world_lidar(self, scan: str) -> RigidTransform:
        """Pose of a scan from poses.txt, which holds poses of camera 0 in its first frame.

        Raises BadDataset where the file is damaged or lacks the scan.
        """
        path, row = self.folder / "poses.txt", self._row_of[scan]
        T_cam0_lidar = self._calibration(scan).T_cam0_lidar()
        try:
            rows = np.loadtxt(path, ndmin=2)
            self._require_rows(path, len(rows))
            T_cam0_start_now = RigidTransform.from_matrix(rows[row].reshape(3, 4))
        except (OSError, ValueError, IndexError, BadTransform) as error:
            raise BadDataset(f"{path}: expected 12 numbers in row {row}, found: {error}. Copy the poses.") from error
        return T_cam0_lidar.inverse() @ T_cam0_start_now @ T_cam0_lidar

    def _picture(self, scan: str) -> Path:
        return self.folder / "image_2" / f"{scan}.png"

    def _calibration(self, scan: str) -> KittiCalibration:
        path = calibration_file(self.folder, scan)
        if path is None:
            raise BadDataset(
                f"{self.folder}: expected calib.txt beside the images and poses, found none, nor calib/{scan}.txt or the "
                "files of a raw recording. Copy the calibration."
            )
        if path not in self._calibrations:
            self._calibrations[path] = read_calibration(path)
        return self._calibrations[path]

    def _require_rows(self, path: Path, rows: int) -> None:
        """Raise BadDataset where scans are matched with rows by their order and the two are not of one number."""
        if not are_numbered(self.scans) and rows != len(self.scans):
            raise BadDataset(
                f"{path}: expected a row for each of the {len(self.scans)} scans, found {rows}. Scans such as "
                f"{self.scans[0]} have their row by their order; name them by their frame (000000) where some are left out."
            )
