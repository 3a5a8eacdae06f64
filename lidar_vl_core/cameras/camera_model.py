"""Camera models as OpenCV defines them; optical frame: x right, y down, z forward.

Pixel (0, 0) is the centre of the first pixel, so an image covers -0.5 <= u < width - 0.5.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lidar_vl_core.cameras.distortion import Distortion
from lidar_vl_core.foundation.errors import BadCalibration

_LARGEST_SIDE_PX = 65536
_SHORTEST_PX, _FARTHEST_PX = 1e-6, 1e9  # focal lengths of any lens, also of an image that is drawn small


@dataclass(frozen=True, eq=False)
class CameraModel:
    """Intrinsics of one camera: pinhole, plumb_bob, rational_polynomial or equidistant, with CameraInfo's D."""

    width: int
    height: int
    K: np.ndarray  # (3, 3) float64: focal lengths and principal point in pixels
    model: str = "pinhole"
    D: tuple[float, ...] = ()  # in the order of CameraInfo, see distortion.py
    mask: np.ndarray | None = (
        None  # (height, width) bool: pixels that look at the world, not at the own vehicle; None: all
    )

    def __post_init__(self) -> None:
        """Raise BadCalibration for numbers that do not describe a camera."""
        object.__setattr__(self, "K", np.asarray(self.K, np.float64))
        object.__setattr__(self, "D", tuple(float(value) for value in self.D))
        _require_size(self.width, self.height)
        _require_intrinsics(self.K)
        self.distortion  # noqa: B018 - checks model and D now instead of at the first point
        if self.mask is not None and (self.mask.shape != (self.height, self.width) or self.mask.dtype != bool):
            raise BadCalibration(
                f"mask: expected {self.width} x {self.height} pixels as the calibration says, found "
                f"{' x '.join(map(str, self.mask.shape[::-1]))}. Make it from an image of this camera, as it is sent."
            )

    @cached_property
    def distortion(self) -> Distortion:
        """The distortion of the lens."""
        return Distortion(self.model, self.D)

    def project(self, xyz_cam_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (N, 3) in the optical frame -> uv_px (N, 2) float64, depth_m (N,) = z, visible (N,) bool.

        Visible: finite, in front (z > 0), on the image, not on the own vehicle, and inside the field where the distortion
        is one-to-one: beyond it the polynomial folds back and would lay far-off points over the image.
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
        if self.mask is not None:
            column, row = np.rint(uv_px[visible]).astype(int).T
            visible[visible] = self.mask[row, column]
        return uv_px, depth_m, visible

    def unproject(self, uv_px: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) with depths z (N,) -> points (N, 3) in the optical frame; NaN where no ray meets the pixel."""
        u, v = np.asarray(uv_px, np.float64).T
        y = (v - self.K[1, 2]) / self.K[1, 1]
        x = (u - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        x, y = self.distortion.undistort(x, y)
        return np.stack((x, y, np.ones_like(x)), axis=1) * np.asarray(depth_m, np.float64)[:, None]

    def require_size(self, rgb: np.ndarray) -> None:
        """Raise BadCalibration unless an image (H, W, 3) has the size that this camera is calibrated for."""
        if rgb.shape[:2] != (self.height, self.width):
            raise BadCalibration(
                f"expected images of {self.width} x {self.height} pixels as the calibration says, found "
                f"{rgb.shape[1]} x {rgb.shape[0]}. Give the calibration of these images, with binning and region of interest."
            )

    def scaled(self, width: int, height: int) -> "CameraModel":
        """The same camera with its image resized to width x height."""
        scale_x, scale_y = width / self.width, height / self.height
        # (u + 0.5) is what scales: the image's left edge lies at -0.5.
        to_scaled = np.array([[scale_x, 0, 0.5 * scale_x - 0.5], [0, scale_y, 0.5 * scale_y - 0.5], [0, 0, 1]])
        mask = self.mask
        if mask is not None:
            rows = np.minimum((np.arange(height) + 0.5) / scale_y, self.height - 1).astype(int)
            columns = np.minimum((np.arange(width) + 0.5) / scale_x, self.width - 1).astype(int)
            mask = mask[rows[:, None], columns]
        return replace(self, width=width, height=height, K=to_scaled @ self.K, mask=mask)

    def cropped(self, left: int, top: int, width: int, height: int) -> "CameraModel":
        """The same camera with only a window of its image kept; raises BadCalibration when it is not inside."""
        if min(left, top) < 0 or left + width > self.width or top + height > self.height:
            raise BadCalibration(
                f"window: expected it inside {self.width}x{self.height} pixels, found {width}x{height} at "
                f"({left}, {top}). Check the region of interest of the camera."
            )
        K = self.K.copy()
        K[:2, 2] -= (left, top)
        mask = None if self.mask is None else self.mask[top : top + height, left : left + width]
        return replace(self, width=width, height=height, K=K, mask=mask)


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
    if min(K[0, 0], K[1, 1]) < _SHORTEST_PX or np.abs(K).max() > _FARTHEST_PX:
        raise BadCalibration(
            f"K: expected focal lengths from {_SHORTEST_PX:g} pixels on and nothing beyond {_FARTHEST_PX:g}, found {K.tolist()}. "
            "Calibrate the camera."
        )
