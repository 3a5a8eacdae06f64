"""Judges a camera's calibration by scores: it fits, it is off by a stated amount, or the data cannot tell."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np

from lidar_vl_core.edge_alignment.score_map import SHIFTS_M, TURNS_DEG, ScoreMaps

# Where the score is within this share of what stands out at its best, it may as well be the best.
_ALMOST_BEST = 0.15
# Measured with right calibrations, see docs/calibration.md: the best lay within 0.3 degrees and 4 cm of them.
_TURN_TOLERANCE_DEG, _SHIFT_TOLERANCE_M = 0.4, 0.06
_WIDEST_DEG, _WIDEST_M = 1.0, 0.2  # around the best: a flatter or broken top tells nothing
_FEWEST_EDGES = 60
_LEAST_CONTRAST = 0.2  # of a mean score, in standard scores of an image
_NOISE, _GAIN = 4.0, 3.0  # standard errors of a mean score: that chance reaches among all changes, and near a right one


class Verdict(str, Enum):
    """The verdict on a camera."""

    FITS = "fits"
    OFF = "off"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Offset:
    """The change of the points that fits best, and the range that fits almost as well."""

    best: float
    low: float
    high: float

    def is_off(self, tolerance: float) -> bool:
        """Whether the offset is beyond the tolerance and leaving the points as they are fits clearly worse."""
        return abs(self.best) > tolerance and not self.low <= 0.0 <= self.high

    def is_wide(self, widest: float) -> bool:
        """Whether the offset is not determined."""
        return max(self.high - self.best, self.best - self.low) > widest


@dataclass(frozen=True)
class Alignment:
    """Edges of a camera's images and of the clouds, over some frames."""

    verdict: Verdict
    edges: int
    score: float  # mean over edges as calibrated, in standard scores of the images
    best_score: float  # after the better of a turn and a shift
    yaw_deg: Offset  # to the right
    pitch_deg: Offset  # up
    right_m: Offset
    down_m: Offset
    is_turned: bool  # whether a turn explains it better than a shift
    why_unclear: str = ""

    def as_json(self) -> dict[str, Any]:
        """JSON-ready: numbers to four places, and the verdict in words as `text`."""
        return _rounded(asdict(self)) | {"verdict": self.verdict.value, "text": str(self)}

    def __str__(self) -> str:
        if self.verdict is Verdict.UNCLEAR:
            return f"cannot tell: {self.why_unclear}"
        turned = f"turned {self.yaw_deg.best:+.1f} deg to the right and {self.pitch_deg.best:+.1f} deg up"
        shifted = f"moved {100 * self.right_m.best:+.0f} cm to the right and {100 * self.down_m.best:+.0f} cm down"
        first, second = (turned, shifted) if self.is_turned else (shifted, turned)
        return f"{self.verdict.value}: the points fit the image best {first}; alternatively {second}"


def _rounded(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, dict) else round(value, 4) if isinstance(value, float) else value
        for name, value in content.items()
    }


def alignment_of(maps: ScoreMaps) -> Alignment:
    """Judge the sum of the scores of some frames; unclear where chance could explain them."""
    edges = max(maps.edges, 1)
    turned, shifted = maps.turned / edges, maps.shifted / edges
    turns, shifts = _offsets(turned, TURNS_DEG), _offsets(shifted, SHIFTS_M)
    is_turned, middle = bool(turned.max() >= shifted.max()), len(TURNS_DEG) // 2
    score, best = float(turned[middle, middle]), float(max(turned.max(), shifted.max()))
    off = [each.is_off(_TURN_TOLERANCE_DEG) for each in turns] + [each.is_off(_SHIFT_TOLERANCE_M) for each in shifts]
    is_off = any(off) and best - score > _GAIN / edges**0.5
    why = _too_little(maps.edges, best - float(np.median(turned if is_turned else shifted)))
    if not why and not is_off:
        chosen = (turns, _TURN_TOLERANCE_DEG, _WIDEST_DEG) if is_turned else (shifts, _SHIFT_TOLERANCE_M, _WIDEST_M)
        why = _not_sharp(*chosen)
    return Alignment(
        verdict=Verdict.UNCLEAR if why else Verdict.OFF if is_off else Verdict.FITS,
        edges=maps.edges,
        score=score,
        best_score=best,
        yaw_deg=turns[0],
        pitch_deg=turns[1],
        right_m=shifts[0],
        down_m=shifts[1],
        is_turned=is_turned,
        why_unclear=why,
    )


def _too_little(edges: int, contrast: float) -> str:
    """Why the edges tell nothing; empty where they tell something. contrast: of the best score to the usual one."""
    if edges < _FEWEST_EDGES:
        return f"{edges} depth edges in view, at least {_FEWEST_EDGES} are needed"
    if contrast < max(_LEAST_CONTRAST, _NOISE / edges**0.5):
        return f"no offset fits the {edges} depth edges clearly better than the others (dark, blurred, empty?)"
    return ""


def _not_sharp(offsets: tuple[Offset, Offset], tolerance: float, widest: float) -> str:
    """Why a camera that is not off cannot be said to fit; empty where it can."""
    sides = list(zip(offsets, ("to the sides", "up and down"), strict=True))
    if wide := [where for offset, where in sides if offset.is_wide(widest)]:
        return f"many offsets fit equally well {' and '.join(wide)}"
    if any(abs(offset.best) > tolerance for offset in offsets):
        return "the edges fit slightly better with a small offset, which may be chance"
    return ""


def _offsets(scores: np.ndarray, steps: np.ndarray) -> tuple[Offset, Offset]:
    """Along both axes of a map (A, A): the top between the steps, and how far scores are almost as high."""
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    almost = scores >= scores.max() - _ALMOST_BEST * (scores.max() - np.median(scores))
    found = []
    for line, place, reached in (
        (scores[:, column], int(row), almost.any(axis=1)),
        (scores[row], int(column), almost.any(axis=0)),
    ):
        low, high = steps[reached][[0, -1]]
        found.append(Offset(float(steps[place] + _top(line, place) * (steps[1] - steps[0])), float(low), float(high)))
    return found[0], found[1]


def _top(line: np.ndarray, place: int) -> float:
    """Where a parabola through the highest value and its neighbours has its top, in steps from that value."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, here, after = line[place - 1 : place + 2]
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0
