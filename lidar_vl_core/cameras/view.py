"""CameraView: one image that belongs to a cloud, and how to draw the cloud into it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadCalibration, LidarVlError
from lidar_vl_core.foundation.processes.fork_lock import ForkLock
from lidar_vl_core.geometry.rigid_transform import RigidTransform


@dataclass(frozen=True, eq=False)
class CameraView:
    """One image that belongs to a cloud."""

    name: str
    camera: CameraModel
    T_cam_lidar: RigidTransform  # from the LiDAR at the cloud's stamp to the camera at the image's stamp
    stamp_ns: int
    load_rgb: Callable[[], np.ndarray]  # (H, W, 3) uint8, decoded when asked; raises BadImage
    read_bytes: Callable[[], bytes] | None = None  # the image as it is stored, by which label caches know it again
    file: str | None = None  # its path inside the data set, where it is a file; other images of it lie at like paths
    load_depth_m: Callable[[], np.ndarray] | None = (
        None  # (H, W) float32 metres along the optical axis, 0 = none; RGB-D
    )

    def require_size(self, rgb: np.ndarray) -> None:
        """Raise BadCalibration unless an image (H, W, 3) has the size the camera is calibrated for."""
        try:
            self.camera.require_size(rgb)
        except BadCalibration as error:
            raise BadCalibration(f"camera {self.name}: {error}") from error


class DecodedOnce:
    """Loads an image when it is first asked for, from whichever thread, and keeps it, or why it cannot be used, for all who ask."""

    def __init__(self, load_rgb: Callable[[], np.ndarray], failed: Callable[[LidarVlError], None]) -> None:
        """load_rgb: raises LidarVlError. failed: told of it, once."""
        self._load_rgb, self._failed = load_rgb, failed
        self._lock = ForkLock()
        self._rgb: np.ndarray | None = None
        self._error: LidarVlError | None = None

    def __call__(self) -> np.ndarray:
        """(H, W, 3) uint8. Raises what loading raised."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._rgb is None:
                try:
                    self._rgb = self._load_rgb()
                except LidarVlError as error:
                    self._error = error
                    self._failed(error)
                    raise
            return self._rgb
