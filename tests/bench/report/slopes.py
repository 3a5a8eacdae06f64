"""Straight lines through measured points, with 95 % intervals of what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """y = intercept + slope * x by least squares, and how sure the slope is."""

    slope: float
    intercept: float
    slope_low: float  # 95 % interval, by Student's t of the residuals
    slope_high: float
    points: int
    mean_x: float
    residual: float  # standard deviation around the line
    t: float  # Student's, of 95 %
    spread_x: float  # sum of squared distances to mean_x

    def at(self, x: float) -> float:
        """What the line says there."""
        return self.intercept + self.slope * x

    def interval_at(self, x: float) -> tuple[float, float]:
        """95 % interval of the line's mean there; it widens away from what was measured."""
        half = self.t * self.residual * (1 / self.points + (x - self.mean_x) ** 2 / self.spread_x) ** 0.5
        return self.at(x) - half, self.at(x) + half


def fitted_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares; raises ValueError for fewer than three points, as two leave no residual to judge by."""
    from scipy.stats import linregress, t

    if len(x) < 3:
        raise ValueError(f"a line with an interval: expected three points or more, found {len(x)}. Measure more.")
    at, measured = np.asarray(x, float), np.asarray(y, float)
    fit = linregress(at, measured)
    slope, intercept = float(fit.slope), float(fit.intercept)
    student = float(t.ppf(0.975, len(at) - 2))
    half = student * float(fit.stderr)
    residual = float(np.sqrt(((measured - intercept - slope * at) ** 2).sum() / (len(at) - 2)))
    spread = float(((at - at.mean()) ** 2).sum())
    return Line(slope, intercept, slope - half, slope + half, len(at), float(at.mean()), residual, student, spread)


def growth_exponent(x: Sequence[float], y: Sequence[float]) -> Line:
    """The slope of log y over log x: 1 = in proportion, 2 = with the square."""
    return fitted_line(np.log(x), np.log(y))
