"""Statistics of the sweeps a network was trained on, and where a recording differs from them."""

from collections.abc import Mapping, Sequence
from statistics import median

from pydantic import model_validator

from lidar_vl_core.clouds.sweep_statistics import STATISTICS
from lidar_vl_core.foundation.config import Config

CONFIDENCE = "confidence"  # mean probability of the answers: what the network says of itself
_NAMES = {**STATISTICS, CONFIDENCE: "mean confidence of the network, 0 to 1"}
_MARGIN = (
    0.1  # of the width of a range, or half of it of its larger end: a little beyond the training is no other world
)
_SMALLEST = {"_m": 0.2, "_deg": 1.0}  # margin by unit, at least; 0.05 of what has none


class TrainingSweeps(Config):
    """Lowest and highest value of each statistic over training sweeps, as read, before augmentation."""

    sweeps: int
    ranges: dict[str, tuple[float, float]]  # name out of STATISTICS, or confidence

    @model_validator(mode="after")
    def _known(self) -> "TrainingSweeps":
        unknown = sorted(set(self.ranges) - set(_NAMES))
        if unknown:
            raise ValueError(f"ranges: expected names from {', '.join(_NAMES)}, found {', '.join(unknown)[:200]}")
        crossed = sorted(name for name, (low, high) in self.ranges.items() if low > high)
        if crossed:
            raise ValueError(f"ranges: expected the lower value first, found another order for {', '.join(crossed)}")
        return self


def training_sweeps(seen: Sequence[Mapping[str, float]]) -> TrainingSweeps:
    """The ranges of statistics of sweeps, one mapping each; names that a sweep lacks come from the others."""
    values = {name: [row[name] for row in seen if name in row] for name in _NAMES}
    ranges = {name: (_rounded(min(found)), _rounded(max(found))) for name, found in values.items() if found}
    return TrainingSweeps(sweeps=len(seen), ranges=ranges)


def unlike_training(seen: Sequence[Mapping[str, float]], training: TrainingSweeps) -> list[str]:
    """A sentence for each statistic whose median over the sweeps of a recording lies outside the training's range."""
    told = []
    for name, (low, high) in training.ranges.items():
        values = [row[name] for row in seen if name in row]
        if not values:
            continue
        found, margin = median(values), _margin(name, low, high)
        if low - margin <= found <= high + margin or (name == CONFIDENCE and found > high):
            continue
        told.append(f"{_NAMES[name]}: {found:.3g} here, {low:.3g} to {high:.3g} in training")
    return told


def _margin(name: str, low: float, high: float) -> float:
    smallest = next((value for unit, value in _SMALLEST.items() if name.endswith(unit)), 0.05)
    return max(_MARGIN * (high - low), _MARGIN / 2 * max(abs(low), abs(high)), smallest)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
