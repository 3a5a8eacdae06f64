"""Types of the numbers that say how much a random change does: probabilities, and ranges that factors are drawn from."""

from typing import Annotated

from pydantic import AfterValidator, Field


def _rises_above_zero(limits: tuple[float, float]) -> tuple[float, float]:
    if not 0.0 < limits[0] <= limits[1]:
        raise ValueError("expected a lower and an upper limit above 0, the lower first")
    return limits


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
FactorRange = Annotated[tuple[float, float], AfterValidator(_rises_above_zero)]
