"""What a test of a fault has earned: counts that are added up, and the worst of what was measured."""

from collections.abc import Callable, Iterable
from typing import Any

SUM, MOST, LEAST = "sum", "most", "least"


class Figures:
    """Told by tests through the fixture `figures`; each travels with the test's report."""

    def __init__(self, record_property: Callable[[str, Any], None]) -> None:
        self._record = record_property

    def count(self, what: str, number: int) -> None:
        """So many more, `malformed messages`; the counts of all tests are added up."""
        self._record("figure", (SUM, what, int(number)))

    def most(self, what: str, value: float) -> None:
        """A measured value of which the largest counts, `slowest read, ms`."""
        self._record("figure", (MOST, what, round(float(value), 4)))

    def least(self, what: str, value: float) -> None:
        """A measured value of which the smallest counts, `messages read of those written, %`."""
        self._record("figure", (LEAST, what, round(float(value), 4)))


def gathered(told: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """All figures of several tests by name."""
    result: dict[str, float] = {}
    join = {SUM: lambda a, b: a + b, MOST: max, LEAST: min}
    for kind, what, value in told:
        result[what] = join[kind](result[what], value) if what in result else value
    return result
