"""Camera models as ROS CameraInfo and OpenCV define them; optical frame: x right, y down, z forward.

Pixel (0, 0) is the centre of the first pixel, so an image covers -0.5 <= u < width - 0.5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lidar_vl_core.errors import BadCalibration

_COEFFICIENT_COUNTS = {"pinhole": (0,), "plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
_LARGEST_SIDE_PX = 65536
_LARGEST_RADIUS = 1e3  # |(x, y) / z| of a ray 89.94 degrees off the axis; nothing beyond is projected
_BISECTIONS = 60  # halves _LARGEST_RADIUS down to float64's last digit
_NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class CameraModel:
    """Intrinsics of one camera.

    D: () for pinhole; k1 k2 p1 p2 [k3] for plumb_bob; k1 k2 p1 p2 k3 k4 k5 k6 for rational_polynomial; k1 k2 k3 k4 for
    equidistant (fisheye).
    """

    width: int
    height: int
    K: np.ndarray  # (3, 3) float64: focal lengths and principal point in pixels
    model: str = "pinhole"
    D: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise BadCalibration when a projection with these numbers would mean nothing."""
        object.__setattr__(self, "K", np.asarray(self.K, np.float64))
        object.__setattr__(self, "D", tuple(float(value) for value in self.D))
        _require_size(self.width, self.height)
        _require_intrinsics(self.K)
        _require_distortion(self.model, self.D)

    def project(self, xyz_cam_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (N, 3) in the optical frame -> uv_px (N, 2) float64, depth_m (N,) = z, visible (N,) bool.

        Visible: finite, in front (z > 0), on the image, and inside the field where the distortion is one-to-one: beyond
        it the polynomial folds back and would lay far-off points over the image.
        """
        x_m, y_m, depth_m = np.asarray(xyz_cam_m, np.float64).T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            in_front = depth_m > 0.0
            x, y = x_m / depth_m, y_m / depth_m
            if self._has_distortion:
                # Points that can never be seen are not worth a polynomial, and must not overflow in one.
                in_front &= x * x + y * y <= self._largest_radius**2
                x_distorted, y_distorted = np.full((2, len(x)), np.nan)
                x_distorted[in_front], y_distorted[in_front] = self._distort(x[in_front], y[in_front])
                x, y = x_distorted, y_distorted
            uv_px = np.stack(
                (self.K[0, 0] * x + self.K[0, 1] * y + self.K[0, 2], self.K[1, 1] * y + self.K[1, 2]), axis=1
            )
            u, v = uv_px[:, 0], uv_px[:, 1]
            visible = in_front & (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)
        return uv_px, depth_m, visible

    def unproject(self, uv_px: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) and their depths z (N,) -> points (N, 3) in the optical frame; NaN where no ray meets the pixel."""
        uv = np.asarray(uv_px, np.float64)
        y = (uv[:, 1] - self.K[1, 2]) / self.K[1, 1]
        x = (uv[:, 0] - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        if self._has_distortion:
            x, y = self._undistort(x, y)
        return np.stack((x, y, np.ones_like(x)), axis=1) * np.asarray(depth_m, np.float64)[:, None]

    def scaled(self, width: int, height: int) -> "CameraModel":
        """The same camera with its image resized to width x height (pixel centres stay at integers)."""
        scale_x, scale_y = width / self.width, height / self.height
        # (u + 0.5) is what scales: the image's left edge lies at -0.5.
        to_scaled = np.array([[scale_x, 0, 0.5 * scale_x - 0.5], [0, scale_y, 0.5 * scale_y - 0.5], [0, 0, 1]])
        return CameraModel(width, height, to_scaled @ self.K, self.model, self.D)

    @cached_property
    def _has_distortion(self) -> bool:
        return self.model == "equidistant" or any(self.D)

    @cached_property
    def _largest_radius(self) -> float:
        """Largest |(x, y)| / z up to which the distorted radius still grows."""
        if self.model == "equidistant":
            angle = np.sqrt(_first_positive_root(_derivative_of_radius(np.array((1.0, *self.D)))))
            return float(min(np.tan(angle), _LARGEST_RADIUS)) if angle < np.pi / 2 else _LARGEST_RADIUS
        numerator, denominator = self._radial_polynomials()
        # d/dr (r N/D) = ((N + 2 s N') D - 2 s N D') / D^2 with s = r^2
        growth = np.polynomial.polynomial.polysub(
            np.polynomial.polynomial.polymul(_derivative_of_radius(numerator), denominator),
            np.polynomial.polynomial.polymul(numerator, _s_times_derivative(denominator) * 2.0),
        )
        square = min(_first_positive_root(growth), _first_positive_root(denominator))
        return float(min(np.sqrt(square), _LARGEST_RADIUS))

    def _radial_polynomials(self) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator of the radial factor, as coefficients of (r^2)^0, (r^2)^1, ..."""
        k1, k2, _, _, k3, k4, k5, k6 = (*self.D, *([0.0] * (8 - len(self.D))))
        return np.array((1.0, k1, k2, k3)), np.array((1.0, k4, k5, k6))

    def _distort(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Undistorted -> distorted normalised image coordinates."""
        square = x * x + y * y
        factor = self._radial_factor(np.sqrt(square))
        if self.model == "equidistant":
            return x * factor, y * factor
        p1, p2 = self.D[2:4]
        return (
            x * factor + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x),
            y * factor + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y,
        )

    def _radial_factor(self, radius: np.ndarray) -> np.ndarray:
        if self.model == "equidistant":
            angle = np.arctan(radius)
            distorted = angle * np.polynomial.polynomial.polyval(angle * angle, (1.0, *self.D))
            return np.divide(distorted, radius, out=np.ones_like(radius), where=radius > 1e-12)
        numerator, denominator = self._radial_polynomials()
        square = radius * radius
        factor = np.polynomial.polynomial.polyval(square, numerator)
        if denominator[1:].any():
            factor /= np.polynomial.polynomial.polyval(square, denominator)
        return factor

    def _undistort(self, x_distorted: np.ndarray, y_distorted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of _distort: the radial part by bisection (it grows up to the largest radius), the rest by Newton."""
        target = np.hypot(x_distorted, y_distorted)
        radius = _bisect(lambda r: r * self._radial_factor(r), target, self._largest_radius)
        direction = np.divide(radius, target, out=np.ones_like(target), where=target > 0.0)
        x, y = x_distorted * direction, y_distorted * direction
        if self.model == "equidistant" or not any(self.D[2:4]):
            return x, y
        return self._newton(x, y, x_distorted, y_distorted)

    def _newton(
        self, x: np.ndarray, y: np.ndarray, x_distorted: np.ndarray, y_distorted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        step = 1e-6
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for _ in range(_NEWTON_STEPS):
                at_x, at_y = self._distort(x, y)
                x_by_x, y_by_x = ((after - at) / step for after, at in zip(self._distort(x + step, y), (at_x, at_y)))
                x_by_y, y_by_y = ((after - at) / step for after, at in zip(self._distort(x, y + step), (at_x, at_y)))
                error_x, error_y = x_distorted - at_x, y_distorted - at_y
                determinant = x_by_x * y_by_y - x_by_y * y_by_x
                x = x + (y_by_y * error_x - x_by_y * error_y) / determinant
                y = y + (x_by_x * error_y - y_by_x * error_x) / determinant
            at_x, at_y = self._distort(x, y)
            solved = np.hypot(x_distorted - at_x, y_distorted - at_y) < 1e-9
            solved &= np.hypot(x, y) <= self._largest_radius
        return np.where(solved, x, np.nan), np.where(solved, y, np.nan)


def from_camera_info(message: Any) -> CameraModel:  # noqa: ANN401 - any object with CameraInfo's attributes
    """The camera of a CameraInfo message, for the image it accompanies (region of interest and binning applied).

    Raises BadCalibration for an uncalibrated camera (K of zeros), a wrong D and an unknown distortion model.
    """
    matrix = np.asarray(message.k, np.float64).reshape(-1)
    if matrix.shape != (9,):
        raise BadCalibration(f"CameraInfo.k: expected 9 numbers, found {matrix.size}. Calibrate the camera.")
    model, coefficients = _distortion_of(str(message.distortion_model), tuple(float(value) for value in message.d))
    full = CameraModel(int(message.width), int(message.height), matrix.reshape(3, 3), model, coefficients)
    return _delivered(full, message)


def _distortion_of(name: str, coefficients: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    if name == "fisheye":  # what some drivers call CameraInfo's equidistant
        name = "equidistant"
    if not coefficients and name in ("", "pinhole", "plumb_bob", "rational_polynomial"):
        return "pinhole", ()
    if name == "" and not any(coefficients):
        return "pinhole", ()
    return name, coefficients


def _delivered(full: CameraModel, message: Any) -> CameraModel:  # noqa: ANN401
    """Cut to the region of interest and bin, as sensor_msgs/CameraInfo defines them (0 = not used)."""
    roi = message.roi
    left, top, width, height = int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)
    if (width, height) == (0, 0):
        width, height = full.width, full.height
    bin_x, bin_y = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    if left + width > full.width or top + height > full.height or width < bin_x or height < bin_y:
        raise BadCalibration(
            f"CameraInfo: expected a region of interest inside {full.width}x{full.height}, found {width}x{height} at "
            f"({left}, {top}) with binning {bin_x}x{bin_y}. Fix the camera driver's roi and binning."
        )
    shifted = full.K.copy()
    shifted[:2, 2] -= (left, top)
    cut = CameraModel(width, height, shifted, full.model, full.D)
    return cut if bin_x == bin_y == 1 else cut.scaled(width // bin_x, height // bin_y)


def _require_size(width: int, height: int) -> None:
    if not (1 <= width <= _LARGEST_SIDE_PX and 1 <= height <= _LARGEST_SIDE_PX):
        raise BadCalibration(
            f"image size: expected 1 to {_LARGEST_SIDE_PX} pixels a side, found {width}x{height}. "
            "Set width and height of the camera."
        )


def _require_intrinsics(K: np.ndarray) -> None:
    good = (
        K.shape == (3, 3)
        and bool(np.isfinite(K).all())
        and K[0, 0] > 0.0
        and K[1, 1] > 0.0
        and not K[1, 0]
        and bool((K[2] == (0.0, 0.0, 1.0)).all())
    )
    if not good:
        raise BadCalibration(
            f"K: expected [fx s cx; 0 fy cy; 0 0 1] with positive focal lengths, found {K.tolist()}. "
            "The camera is not calibrated (zeros mean that in CameraInfo) or the matrix is transposed."
        )


def _require_distortion(model: str, coefficients: tuple[float, ...]) -> None:
    if model not in _COEFFICIENT_COUNTS:
        raise BadCalibration(
            f"distortion model: expected one of {', '.join(_COEFFICIENT_COUNTS)}, found {model!r}. "
            "Rectify the images and use pinhole, or calibrate with a known model."
        )
    counts = _COEFFICIENT_COUNTS[model]
    if len(coefficients) not in counts:
        raise BadCalibration(
            f"D: expected {' or '.join(map(str, counts))} coefficients for {model}, found {len(coefficients)}. "
            "Check distortion_model and D of the calibration."
        )
    if not np.isfinite(coefficients).all():
        raise BadCalibration(
            f"D: expected finite coefficients, found {list(coefficients)}. Calibrate the camera again."
        )


def _derivative_of_radius(factor: np.ndarray) -> np.ndarray:
    """Coefficients (in s = r^2) of d/dr (r F(s)) = F + 2 s F'."""
    return factor * (1.0 + 2.0 * np.arange(len(factor)))


def _s_times_derivative(polynomial: np.ndarray) -> np.ndarray:
    return polynomial * np.arange(len(polynomial))


def _first_positive_root(polynomial: np.ndarray) -> float:
    """Smallest positive real root, inf when there is none."""
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(polynomial, "b"))
    real = roots.real[(np.abs(roots.imag) < 1e-9 * (1.0 + np.abs(roots.real))) & (roots.real > 0.0)]
    return float(real.min()) if len(real) else np.inf


def _bisect(growing: Callable[[np.ndarray], np.ndarray], target: np.ndarray, upper: float) -> np.ndarray:
    """Where a growing function of [0, upper] takes the values `target`; NaN where it never does."""
    low, high = np.zeros_like(target), np.full_like(target, upper)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = growing(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(target <= growing(np.full_like(target, upper)), 0.5 * (low + high), np.nan)
