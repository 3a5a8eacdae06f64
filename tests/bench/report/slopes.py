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

    def at(self, x: float) -> float:
        """What the line says there."""
        return self.intercept + self.slope * x


def fitted_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares; raises ValueError for fewer than three points, as two leave no residual to judge by."""
    from scipy.stats import linregress, t

    if len(x) < 3:
        raise ValueError(f"a line with an interval: expected three points or more, found {len(x)}. Measure more.")
    fit = linregress(np.asarray(x, float), np.asarray(y, float))
    half = float(t.ppf(0.975, len(x) - 2) * fit.stderr)
    return Line(float(fit.slope), float(fit.intercept), float(fit.slope) - half, float(fit.slope) + half, len(x))


def growth_exponent(x: Sequence[float], y: Sequence[float]) -> Line:
    """The slope of log y over log x: 1 = in proportion, 2 = with the square."""
    return fitted_line(np.log(x), np.log(y))
