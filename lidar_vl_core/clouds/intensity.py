"""The full scale of a driver's intensity: decided once for a topic or a data set, so that one bright point changes nothing."""

from dataclasses import dataclass

import numpy as np

_DARK = 1 / 16  # of full scale
_MOST_NEGATIVE = 0.01  # share of the values: noise about 0
_QUANTILE = 0.95  # of the values above 0: a reflector that outshines the scale is a few points of a sweep


@dataclass(frozen=True)
class IntensityScale:
    """The field taken as intensity and its value that becomes 1."""

    field: str | None  # None: the clouds have none, and every intensity is 0
    largest: float

    def __str__(self) -> str:
        return "none, so 0 everywhere" if self.field is None else f"field {self.field}, {self.largest:g} becomes 1"


def is_full_scale(largest: float) -> bool:
    """Whether float32 values can be divided by this number."""
    limits = np.finfo(np.float32)
    return float(limits.tiny) <= largest <= float(limits.max)  # NaN is not


def full_scale(raw: np.ndarray) -> float | None:
    """The full scale of these values: 1, 255 or 65535 (fractions, 8 and 16 bits, as drivers give them); None where none is above 0.

    raw: any number type and shape. uint8 is always 0..255; other types are judged by the value that 95 % of those above 0 are
    within. Whole numbers above 1 are never fractions of 1, however dark the scene.
    """
    above = (raw > 0) & np.isfinite(raw)
    count = int(np.count_nonzero(above))
    if count == 0:
        return None
    usually_fraction = _usually_within(raw, above, count, 1.0)
    if raw.dtype == np.uint8 or (usually_fraction and _counts_beyond_one(raw)):
        return 255.0
    if usually_fraction:
        return 1.0
    return 255.0 if _usually_within(raw, above, count, 255.0) else 65535.0


def _usually_within(raw: np.ndarray, above: np.ndarray, count: int, limit: float) -> bool:
    """Whether the value that 95 % of the `count` finite ones above 0 are within is at most `limit`.

    Counted: to find that value takes ten times as long, which every first cloud of a topic would wait for.
    """
    return int(np.count_nonzero((raw <= limit) & above)) > int(_QUANTILE * (count - 1))


def _counts_beyond_one(raw: np.ndarray) -> bool:
    values = raw[np.isfinite(raw)]
    return bool(values.max() > 1 and (np.floor(values) == values).all())


def usual_largest(raw: np.ndarray) -> float:
    """The 95th percentile of the values above 0; 0.0 where there is none. raw: any number type and shape."""
    values = raw[np.isfinite(raw) & (raw > 0)]
    if len(values) == 0:
        return 0.0
    rank = int(_QUANTILE * (len(values) - 1))
    values.partition(rank)
    return float(values[rank])


def scaled_intensity(raw: np.ndarray, largest: float) -> np.ndarray:
    """Float32 intensity in 0..1, of raw's shape: `largest` and what is above it become 1, what is negative or not finite 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(raw, np.float32)  # a copy: worked on in place, pass by pass, for every cloud
    least, most = float(values.min(initial=0.0)), float(values.max(initial=0.0))  # NaN wins both
    if not (least == 0.0 and np.isfinite(most)):
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.maximum(values, np.float32(0.0), out=values)
    if largest != 1.0:
        values /= np.float32(largest)
    return values if most <= largest else np.minimum(values, np.float32(1.0), out=values)


def normalise_intensity(raw: np.ndarray) -> np.ndarray:
    """Intensity in 0..1 of a single cloud, by its own `full_scale`. raw: any number type and shape."""
    return scaled_intensity(raw, full_scale(raw) or 1.0)


def intensity_doubts(raw: np.ndarray, judged: float | None, how: str) -> list[str]:
    """Sentences for people where these values are negative, or few steps of a judged scale of 16 bits.

    raw: any number type and shape. judged: the full scale, None where it was given. how: what gives it, such as `--intensity-max`.
    """
    told = []
    negative = np.count_nonzero(raw < 0) / raw.size if raw.size and raw.dtype.kind != "u" else 0.0
    if negative > _MOST_NEGATIVE:
        told.append(
            f"{100 * negative:.0f} % of the first values are negative and become 0. Store them from 0 upwards, 8 bits as uint8."
        )
    usual = usual_largest(raw) if judged is not None and judged > 255 else 0.0
    if judged is not None and 0.0 < usual < _DARK * judged:
        told.append(
            f"{judged:g} becomes 1, but 95 % of the first values are below {usual:g}, dark for a network. "
            f"Give {how} if the sensor's full scale is lower."
        )
    return told
