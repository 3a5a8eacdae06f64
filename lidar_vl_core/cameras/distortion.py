"""Lens distortion of normalised image coordinates, forward and inverse, as OpenCV and ROS define it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import polynomial

from lidar_vl_core.foundation.errors import BadCalibration

COEFFICIENT_COUNTS = {"pinhole": (0,), "plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
_LARGEST_COEFFICIENT = 1e6  # far beyond any lens; products of them must stay finite
_LARGEST_RADIUS = 1e3  # |(x, y) / z| of a ray 89.94 degrees off the axis; nothing beyond is projected
_INSIDE = 1.0 - 1e-6  # just before the radius where a rational model divides by zero
_BISECTIONS = 60  # halves _LARGEST_RADIUS down to float64's last digits
_NEWTON_STEPS = 12
_DERIVATIVE_STEP = 1e-6
_SOLVED = 1e-9  # normalised coordinates: a millionth of a pixel for a focal length of 1000


@dataclass(frozen=True)
class Distortion:
    """A distortion model with its coefficients.

    () for pinhole; k1 k2 p1 p2 [k3] for plumb_bob; k1 k2 p1 p2 k3 k4 k5 k6 for rational_polynomial; k1 k2 k3 k4 for
    equidistant (fisheye). Raises BadCalibration for anything else.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise BadCalibration when model and coefficients do not fit."""
        if self.model not in COEFFICIENT_COUNTS:
            raise BadCalibration(
                f"distortion model: expected one of {', '.join(COEFFICIENT_COUNTS)}, found {self.model!r}. "
                "Rectify the images and use pinhole, or calibrate with a known model."
            )
        counts = COEFFICIENT_COUNTS[self.model]
        if len(self.coefficients) not in counts:
            raise BadCalibration(
                f"D: expected {' or '.join(map(str, counts))} coefficients for {self.model}, found "
                f"{len(self.coefficients)}. Check distortion_model and D of the calibration."
            )
        if not all(abs(value) <= _LARGEST_COEFFICIENT for value in self.coefficients):  # NaN fails too
            raise BadCalibration(
                f"D: expected coefficients within +-{_LARGEST_COEFFICIENT:g}, found {list(self.coefficients)}. "
                "Calibrate the camera again."
            )

    @property
    def is_none(self) -> bool:
        """True when coordinates stay as they are."""
        return self.model != "equidistant" and not any(self.coefficients)

    @cached_property
    def largest_radius(self) -> float:
        """Largest |(x, y) / z| up to which the distorted radius still grows; beyond it the image folds back."""
        if self.model == "equidistant":
            angle = np.sqrt(_first_positive_root(_growth_of_radius(np.array((1.0, *self.coefficients)))))
            return float(min(np.tan(angle), _LARGEST_RADIUS)) if angle < np.pi / 2 else _LARGEST_RADIUS
        numerator, denominator = self._radial_polynomials
        # d/dr (r N/D) = ((N + 2 s N') D - 2 s N D') / D^2 with s = r^2
        growth = polynomial.polysub(
            polynomial.polymul(_growth_of_radius(numerator), denominator),
            polynomial.polymul(numerator, 2.0 * np.arange(len(denominator)) * denominator),
        )
        square = min(_first_positive_root(growth), _first_positive_root(denominator))
        return float(min(_INSIDE * np.sqrt(square), _LARGEST_RADIUS))

    def distort(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ideal (x, y) / z -> distorted coordinates, each (N,); meaningful up to `largest_radius`."""
        if self.is_none:
            return x, y
        square = x * x + y * y
        factor = self._radial_factor(np.sqrt(square))
        if not self._is_tangential:
            return x * factor, y * factor
        p1, p2 = self.coefficients[2:4]
        return (
            x * factor + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x),
            y * factor + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y,
        )

    def undistort(self, x_distorted: np.ndarray, y_distorted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of distort, each (N,); NaN where no ray within `largest_radius` ends there.

        The radial part by bisection, which cannot fail where the radius grows, then the rest by Newton's method.
        """
        if self.is_none:
            return x_distorted, y_distorted
        target = np.hypot(x_distorted, y_distorted)
        reach = self.largest_radius
        if self._is_tangential:  # start Newton inside the field even where the tangential part reaches a bit further
            target = np.minimum(target, reach * self._radial_factor(np.array(reach)))
        radius = _bisect(lambda r: r * self._radial_factor(r), target, reach)
        direction = np.divide(radius, target, out=np.ones_like(target), where=target > 0.0)
        x, y = x_distorted * direction, y_distorted * direction
        return self._newton(x, y, x_distorted, y_distorted) if self._is_tangential else (x, y)

    @property
    def _is_tangential(self) -> bool:
        return self.model != "equidistant" and any(self.coefficients[2:4])

    @cached_property
    def _radial_polynomials(self) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator of the radial factor, coefficients of (r^2)^0, (r^2)^1, ..."""
        k1, k2, _, _, k3, k4, k5, k6 = (*self.coefficients, *([0.0] * (8 - len(self.coefficients))))
        return np.array((1.0, k1, k2, k3)), np.array((1.0, k4, k5, k6))

    def _radial_factor(self, radius: np.ndarray) -> np.ndarray:
        if self.model == "equidistant":
            angle = np.arctan(radius)
            distorted = angle * polynomial.polyval(angle * angle, (1.0, *self.coefficients))
            return np.divide(distorted, radius, out=np.ones_like(radius), where=radius > 1e-12)
        numerator, denominator = self._radial_polynomials
        square = radius * radius
        return polynomial.polyval(square, numerator) / polynomial.polyval(square, denominator)

    def _newton(
        self, x: np.ndarray, y: np.ndarray, x_distorted: np.ndarray, y_distorted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        step = _DERIVATIVE_STEP
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for _ in range(_NEWTON_STEPS):
                x_here, y_here = self.distort(x, y)
                x_right, y_right = self.distort(x + step, y)
                x_below, y_below = self.distort(x, y + step)
                x_by_x, y_by_x = (x_right - x_here) / step, (y_right - y_here) / step
                x_by_y, y_by_y = (x_below - x_here) / step, (y_below - y_here) / step
                x_error, y_error = x_distorted - x_here, y_distorted - y_here
                determinant = x_by_x * y_by_y - x_by_y * y_by_x
                x = x + (y_by_y * x_error - x_by_y * y_error) / determinant
                y = y + (x_by_x * y_error - y_by_x * x_error) / determinant
            x_here, y_here = self.distort(x, y)
            solved = np.hypot(x_distorted - x_here, y_distorted - y_here) < _SOLVED
            solved &= np.hypot(x, y) <= self.largest_radius
        return np.where(solved, x, np.nan), np.where(solved, y, np.nan)


def _growth_of_radius(factor: np.ndarray) -> np.ndarray:
    """Coefficients (in s = r^2) of d/dr (r F(s)) = F + 2 s F'."""
    return factor * (1.0 + 2.0 * np.arange(len(factor)))


def _first_positive_root(coefficients: np.ndarray) -> float:
    """Smallest positive real root of 1 + c1 s + c2 s^2 + ..., inf when there is none."""
    # Roots in 1/s: the leading coefficient is then the 1, so even the tiniest c cannot overflow the companion matrix.
    inverse = polynomial.polyroots(coefficients[::-1])
    real = inverse.real[(np.abs(inverse.imag) < 1e-9 * np.abs(inverse.real)) & (inverse.real > 0.0)]
    return 1.0 / float(real.max()) if len(real) else np.inf


def _bisect(growing: Callable[[np.ndarray], np.ndarray], target: np.ndarray, upper: float) -> np.ndarray:
    """Where a growing function of [0, upper] takes the values `target`; NaN where it never does."""
    low, high = np.zeros_like(target), np.full_like(target, upper)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = growing(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(target <= growing(np.full_like(target, upper)), 0.5 * (low + high), np.nan)
