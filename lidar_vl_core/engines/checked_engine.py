"""An engine that is trusted only after its first answers matched those of the fused engine, which otherwise takes over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.sparse_model.known_precisions import Precision

Run = Callable[..., list[np.ndarray]]  # of the inputs of one cloud, whatever they are
_CHECKED = 2  # answers: to the cloud that warms up, and to the first real one


@dataclass(frozen=True)
class Likeness:
    """How close two engines' answers are: by value, and by the best class of each row."""

    difference: float  # largest, as a share of the largest value
    same_class: float  # share of rows; 1 where the answers are no scores

    def __str__(self) -> str:
        return (
            f"largest difference {self.difference:.2g} of the largest value, same class {100 * self.same_class:.2f} %"
        )


@dataclass(frozen=True)
class Limits:
    """How far another engine's answers may differ."""

    difference: float
    same_class: float

    def allow(self, found: Likeness) -> bool:
        """Whether the answers are close enough; NaN never is."""
        return found.difference <= self.difference and found.same_class >= self.same_class


# By precision of the package. The fused engine computes all of them in float32, with the weights of the file. Those of int8 find a
# scale that does not fit; how much accuracy int8 costs is to be measured.
LIMITS: dict[Precision, Limits] = {
    "fp32": Limits(1e-3, 0.999),
    "fp16": Limits(2e-2, 0.999),
    "int8": Limits(0.25, 0.97),
}


def likeness(answers: list[np.ndarray], expected: list[np.ndarray], are_scores: bool) -> Likeness:
    """Compare two engines' answers to one cloud, array by array: equal shapes (rows, columns).

    are_scores: a column is a class.
    """
    worst, same = 0.0, 1.0
    for answer, truth in zip(answers, expected, strict=True):
        if answer.shape != truth.shape:
            return Likeness(float("inf"), 0.0)
        if truth.size:
            scale = max(float(np.abs(truth).max()), 1e-6)
            difference = float(np.abs(answer.astype(np.float64) - truth).max()) / scale
            worst = difference if not difference <= worst else worst  # NaN stays
            if are_scores:
                same = min(same, float(np.mean(answer.argmax(axis=-1) == truth.argmax(axis=-1))))
    return Likeness(worst, same)


class CheckedEngine:
    """Runs `fast`, with `slow` beside it for the first clouds and instead of it after a failure."""

    def __init__(
        self,
        name: str,
        fast: Run,
        slow_name: str,
        slow: Run,
        limits: Limits,
        are_scores: bool,
    ) -> None:
        self.name, self.problem = name, ""  # problem: why `slow` runs, in words
        self._fast, self._slow, self._slow_name = fast, slow, slow_name
        self._limits, self._are_scores = limits, are_scores
        self._to_check = _CHECKED

    def run(self, *inputs: Any) -> list[np.ndarray]:  # noqa: ANN401
        """The answers, shaped as those of `fast`.

        Raises TooManyVoxels and BadRequest as `fast` does; every other failure of it makes `slow` run.
        """
        if self.problem:
            return self._slow(*inputs)
        try:
            answers = self._fast(*inputs)
        except EngineUnavailable as error:
            return self._fall_back(str(error), self._slow(*inputs))
        if not self._to_check:
            return answers
        self._to_check -= 1
        expected = self._slow(*inputs)
        found = likeness(answers, expected, self._are_scores)
        if not self._limits.allow(found):
            limits = Likeness(self._limits.difference, self._limits.same_class)
            return self._fall_back(f"expected the answers of {self._slow_name} ({limits}), found {found}", expected)
        return answers

    def _fall_back(self, cause: str, answers: list[np.ndarray]) -> list[np.ndarray]:
        self.problem = f"engine {self.name} failed, {self._slow_name} runs instead: {cause}"
        self.name = self._slow_name
        return answers


class OpenedEngine:
    """The part all sessions share: which engine computes, and why."""

    def __init__(self, name: str, engine: object) -> None:
        """name: of the engine that was opened; a checked one gives its own."""
        self._name, self._checked = name, engine if isinstance(engine, CheckedEngine) else None

    @property
    def engine_name(self) -> str:
        """Name of the engine that computes."""
        return self._name if self._checked is None else self._checked.name

    @property
    def engine_problem(self) -> str:
        """Why a different engine computes than the one opened; empty where none does."""
        return "" if self._checked is None else self._checked.problem
