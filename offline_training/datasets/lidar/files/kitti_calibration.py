"""KITTI's calibrations: calib.txt of odometry, object detection and tracking, and the two files of a raw recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset, BadTransform
from lidar_vl_core.foundation.files import read_small_text
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_OF_RAW = ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt")
_PROJECTIONS = ("P2", "P_rect_02")
_TO_CAMERA = ("Tr_velo_to_cam", "Tr_velo_cam")  # into camera 0 before it was rectified
_RECTIFYING = ("R0_rect", "R_rect", "R_rect_00")


@dataclass(frozen=True)
class KittiCalibration:
    """The lines of a calibration by name. What is asked for must be there; the rest is not looked at."""

    path: Path
    lines: Mapping[str, str]

    def P2(self) -> np.ndarray:
        """(3, 4) of the left colour camera, from the frame of rectified camera 0; raises BadDataset."""
        name = next((name for name in _PROJECTIONS if name in self.lines), None)
        if name is None:
            raise self._lacks("P2 (in raw recordings P_rect_02), of the images in image_2")
        return self._matrix(name, (3, 4))

    def T_cam0_lidar(self) -> RigidTransform:
        """Into rectified camera 0: Tr of odometry, else the rectifying rotation after Tr_velo_to_cam, or R and T of raw.

        Raises BadDataset.
        """
        if "Tr" in self.lines:
            return self._rigid("Tr", self._matrix("Tr", (3, 4)))
        rectifying = next((name for name in _RECTIFYING if name in self.lines), None)
        moving = next((name for name in _TO_CAMERA if name in self.lines), None)
        if rectifying is None or (moving is None and not {"R", "T"} <= set(self.lines)):
            raise self._lacks(
                "Tr, or Tr_velo_to_cam with R0_rect, or R and T with R_rect_00, of the scans that images or poses belong to"
            )
        if moving is None:
            moving, matrix = "R and T", np.column_stack([self._matrix("R", (3, 3)), self._matrix("T", (3,))])
        else:
            matrix = self._matrix(moving, (3, 4))
        rectified = np.column_stack([self._matrix(rectifying, (3, 3)), np.zeros(3)])
        return self._rigid(rectifying, rectified) @ self._rigid(moving, matrix)

    def _matrix(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        try:
            return np.array(self.lines[name].split(), np.float64).reshape(shape)
        except ValueError as error:
            raise BadDataset(
                f"{self.path}: {name}: expected {np.prod(shape)} numbers, found {self.lines[name][:60]!r}. Copy it again."
            ) from error

    def _rigid(self, name: str, matrix: np.ndarray) -> RigidTransform:
        try:
            return RigidTransform.from_matrix(matrix)
        except BadTransform as error:
            raise BadDataset(f"{self.path}: {name}: {error}") from error

    def _lacks(self, expected: str) -> BadDataset:
        return BadDataset(
            f"{self.path}: expected {expected}, found {', '.join(self.lines) or 'no line of a calibration'}. "
            "KITTI has all of it in its archive of calibrations: copy that here."
        )


def calibration_file(folder: Path, scan: str) -> Path | None:
    """Where a scan's calibration lies: calib.txt of its sequence, its own in calib/, or that of a raw recording."""
    choices = (folder / "calib.txt", folder / "calib" / f"{scan}.txt", *(folder / name for name in _OF_RAW))
    return next((path for path in choices if path.is_file()), None)


def read_calibration(path: Path) -> KittiCalibration:
    """Read a calibration file; of a raw recording both. Raises BadDataset when a file cannot be read."""
    paths = [path.with_name(name) for name in _OF_RAW] if path.name in _OF_RAW else [path]
    lines: dict[str, str] = {}
    for each in paths:
        if each.is_file() or each == path:
            lines.update(_lines(each))
    return KittiCalibration(path, lines)


def _lines(path: Path) -> dict[str, str]:
    try:
        rows = [line.split(maxsplit=1) for line in read_small_text(path, "utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise BadDataset(f"{path}: expected lines `name: numbers`, found: {error}. Copy the file again.") from error
    return {row[0].rstrip(":"): row[1] if len(row) > 1 else "" for row in rows}
