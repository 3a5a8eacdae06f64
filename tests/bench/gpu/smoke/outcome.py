"""What came of a step of the smoke test."""

from dataclasses import asdict, dataclass
from typing import Any

FAILED, OK, LEFT_OUT = "failed", "ok", "left out"


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    step: str
    verdict: str  # FAILED, OK or LEFT_OUT
    message: str
    seconds: float

    def line(self) -> str:
        """For people."""
        return f"{self.verdict:8}  {self.step}  {self.message}  ({self.seconds:.1f} s)"

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)
