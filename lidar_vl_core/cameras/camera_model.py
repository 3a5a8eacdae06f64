"""Camera models as ROS CameraInfo and OpenCV define them; optical frame: x right, y down, z forward.

Pixel (0, 0) is the centre of the first pixel, so an image covers -0.5 <= u < width - 0.5.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lidar_vl_core.cameras.distortion import Distortion
from lidar_vl_core.foundation.errors import BadCalibration

_LARGEST_SIDE_PX = 65536
_SAME_DIRECTION = 1e-6  # of R: a thousandth of a pixel at a focal length of 1000


@dataclass(frozen=True, eq=False)
class CameraModel:
    """Intrinsics of one camera: pinhole, plumb_bob, rational_polynomial or equidistant, with CameraInfo's D."""

    width: int
    height: int
    K: np.ndarray  # (3, 3) float64: focal lengths and principal point in pixels
    model: str = "pinhole"
    D: tuple[float, ...] = ()  # in the order of CameraInfo, see distortion.py

    def __post_init__(self) -> None:
        """Raise BadCalibration when a projection with these numbers would mean nothing."""
        object.__setattr__(self, "K", np.asarray(self.K, np.float64))
        object.__setattr__(self, "D", tuple(float(value) for value in self.D))
        _require_size(self.width, self.height)
        _require_intrinsics(self.K)
        self.distortion  # noqa: B018 - checks model and D now instead of at the first point

    @cached_property
    def distortion(self) -> Distortion:
        """The lens."""
        return Distortion(self.model, self.D)

    def project(self, xyz_cam_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (N, 3) in the optical frame -> uv_px (N, 2) float64, depth_m (N,) = z, visible (N,) bool.

        Visible: finite, in front (z > 0), on the image, and inside the field where the distortion is one-to-one: beyond
        it the polynomial folds back and would lay far-off points over the image.
        """
        x_m, y_m, depth_m = np.asarray(xyz_cam_m, np.float64).T
        uv_px = np.empty((len(depth_m), 2))
        u, v = uv_px.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            visible = (depth_m > 0.0) & (depth_m < np.inf)
            x, y = x_m / depth_m, y_m / depth_m
            if not self.distortion.is_none:
                visible &= x * x + y * y <= self.distortion.largest_radius**2
                x[~visible] = np.nan
                x, y = self.distortion.distort(x, y)
            u[:] = self.K[0, 0] * x + self.K[0, 1] * y + self.K[0, 2]
            v[:] = self.K[1, 1] * y + self.K[1, 2]
            visible &= (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)
        return uv_px, depth_m, visible

    def unproject(self, uv_px: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) with depths z (N,) -> points (N, 3) in the optical frame; NaN where no ray meets the pixel."""
        u, v = np.asarray(uv_px, np.float64).T
        y = (v - self.K[1, 2]) / self.K[1, 1]
        x = (u - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        x, y = self.distortion.undistort(x, y)
        return np.stack((x, y, np.ones_like(x)), axis=1) * np.asarray(depth_m, np.float64)[:, None]

    def scaled(self, width: int, height: int) -> "CameraModel":
        """The same camera with its image resized to width x height."""
        scale_x, scale_y = width / self.width, height / self.height
        # (u + 0.5) is what scales: the image's left edge lies at -0.5.
        to_scaled = np.array([[scale_x, 0, 0.5 * scale_x - 0.5], [0, scale_y, 0.5 * scale_y - 0.5], [0, 0, 1]])
        return CameraModel(width, height, to_scaled @ self.K, self.model, self.D)

    def cropped(self, left: int, top: int, width: int, height: int) -> "CameraModel":
        """The same camera with only a window of its image kept; raises BadCalibration when it is not inside."""
        if min(left, top) < 0 or left + width > self.width or top + height > self.height:
            raise BadCalibration(
                f"window: expected it inside {self.width}x{self.height} pixels, found {width}x{height} at "
                f"({left}, {top}). Check the region of interest of the camera."
            )
        K = self.K.copy()
        K[:2, 2] -= (left, top)
        return CameraModel(width, height, K, self.model, self.D)

    @staticmethod
    def from_camera_info(message: Any, rectified: bool = False) -> "CameraModel":  # noqa: ANN401 - duck-typed CameraInfo
        """The camera of a CameraInfo message, for the raw image that comes with it or, if asked, for its rectified one.

        Region of interest and binning are applied as sensor_msgs defines them. Raises BadCalibration for an
        uncalibrated camera (zeros), a D that does not fit, an unknown distortion model, and a rectification that turns
        or shifts the camera (the second of a stereo pair): tf says nothing of where that one stands.
        """
        size = int(message.width), int(message.height)
        if rectified:
            whole = CameraModel(*size, _rectified_intrinsics(message))
        else:
            K = _numbers(message.k, "K", 9).reshape(3, 3)
            whole = CameraModel(*size, K, *_distortion_of(message))
        roi = message.roi
        delivered = whole
        if roi.width or roi.height:  # 0 x 0 means the whole image
            delivered = whole.cropped(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
        bin_x, bin_y = max(int(message.binning_x), 1), max(int(message.binning_y), 1)  # 0 means 1
        if bin_x == bin_y == 1:
            return delivered
        return delivered.scaled(delivered.width // bin_x, delivered.height // bin_y)


def _numbers(values: Any, name: str, count: int) -> np.ndarray:  # noqa: ANN401
    numbers = np.asarray(values, np.float64).reshape(-1)
    if numbers.size != count:
        raise BadCalibration(f"{name}: expected {count} numbers, found {numbers.size}. Calibrate the camera.")
    return numbers


def _rectified_intrinsics(message: Any) -> np.ndarray:  # noqa: ANN401
    P = _numbers(message.p, "P", 12).reshape(3, 4)
    R = _numbers(message.r, "R", 9).reshape(3, 3)
    if np.abs(R - np.eye(3)).max() > _SAME_DIRECTION or P[:, 3].any():
        raise BadCalibration(
            f"rectified image: expected R = identity and no shift in P, found R {R.tolist()}, shift {P[:, 3].tolist()}. "
            "Use the raw image of this camera."
        )
    return P[:, :3]


def _distortion_of(message: Any) -> tuple[str, tuple[float, ...]]:  # noqa: ANN401
    name, coefficients = str(message.distortion_model), tuple(float(value) for value in message.d)
    if name == "fisheye":  # what some drivers call CameraInfo's equidistant
        return "equidistant", coefficients
    says_nothing = name in ("", "none", "pinhole") and not any(coefficients)
    # An empty D is what drivers of rectified images send beside plumb_bob.
    return ("pinhole", ()) if says_nothing or (name == "plumb_bob" and not coefficients) else (name, coefficients)


def _require_size(width: int, height: int) -> None:
    if not (1 <= width <= _LARGEST_SIDE_PX and 1 <= height <= _LARGEST_SIDE_PX):
        raise BadCalibration(
            f"image size: expected 1 to {_LARGEST_SIDE_PX} pixels a side, found {width}x{height}. "
            "Set width and height of the camera."
        )


def _require_intrinsics(K: np.ndarray) -> None:
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise BadCalibration(f"K: expected 3x3 finite numbers, found {K.tolist()}. Calibrate the camera.")
    focal_lengths_positive = K[0, 0] > 0.0 and K[1, 1] > 0.0
    if not focal_lengths_positive or K[1, 0] != 0.0 or K[2].tolist() != [0.0, 0.0, 1.0]:
        raise BadCalibration(
            f"K: expected [fx s cx; 0 fy cy; 0 0 1] with positive focal lengths, found {K.tolist()}. "
            "The camera is not calibrated (zeros mean that in CameraInfo) or the matrix is transposed."
        )
