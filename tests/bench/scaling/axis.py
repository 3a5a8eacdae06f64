"""One quantity against one thing that grows, measured at some places, and the line through them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.report.slopes import Line, fitted_line, growth_exponent


@dataclass(frozen=True)
class Axis:
    """Medians of `unit` at each x, all from this machine."""

    name: str  # what grows and what was measured, e.g. "points: time"
    x_unit: str  # e.g. "points"
    unit: str  # e.g. "CPU ms a cloud"
    x: tuple[float, ...]
    y: tuple[float, ...]
    how: str  # what was run, in a sentence

    @property
    def line(self) -> Line:
        """Least squares through the medians."""
        return fitted_line(self.x, self.y)

    @property
    def power(self) -> Line:
        """Slope of the logarithms: 1 = in proportion, 0 = not at all."""
        return growth_exponent(self.x, self.y)

    def as_json(self) -> dict[str, Any]:
        """With the line."""
        return {**asdict(self), "line": asdict(self.line), "power": asdict(self.power)}

    def sentence(self) -> str:
        """The slope in words."""
        line, power = self.line, self.power
        slope = interval(line.slope, line.slope_low, line.slope_high)
        return f"{self.name}: {slope} {self.unit} more for one of {self.x_unit} more; power {interval(power.slope, power.slope_low, power.slope_high)}"


@dataclass(frozen=True)
class Ratio:
    """How much faster several are than one, from repeated runs of both."""

    name: str  # e.g. "Ray workers, 2 against 1"
    value: float
    low: float  # 95 % interval
    high: float
    workers: int
    how: str

    @property
    def efficiency(self) -> float:
        """1 = each works as fast as one alone."""
        return self.value / self.workers


def speed_up(name: str, alone_s: Sequence[float], together_s: Sequence[float], workers: int, how: str) -> Ratio:
    """alone_s, together_s: seconds for the same work by one and by several; Welch's interval of the logarithms."""
    import numpy as np
    from scipy.stats import ttest_ind

    found = ttest_ind(np.log(alone_s), np.log(together_s), equal_var=False)
    middle = float(np.log(alone_s).mean() - np.log(together_s).mean())
    low, high = found.confidence_interval(0.95)
    return Ratio(name, float(np.exp(middle)), float(np.exp(low)), float(np.exp(high)), workers, how)


def interval(value: float, low: float, high: float) -> str:
    """E.g. "1.23 (1.2 to 1.26)", "9,790 (9,140 to 10,400)"."""
    return f"{_short(value)} ({_short(low)} to {_short(high)})"


def _short(value: float) -> str:
    """Three digits that count."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def cpu_ms(runs: Sequence[Callable[[], Any]], repeats: int = 9) -> tuple[float, ...]:
    """Median milliseconds of processor time of each, in turn again and again; of all threads of this process.

    Other processes count less than on the clock on the wall, and a busy moment meets all of them.
    """
    for run in runs:
        run()
    times_ms: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, taken in zip(runs, times_ms, strict=True):
            started_s = time.process_time()
            run()
            taken.append(1e3 * (time.process_time() - started_s))
    return tuple(map(statistics.median, times_ms))
