"""Messages lost on the way, seen through gaps in the publisher's numbering."""

UNNUMBERED = (1 << 64) - 1  # rmw's "this middleware does not number publications"


class SequenceGaps:
    """Counts missing publication numbers of one publisher; a restart of the publisher is not a loss."""

    def __init__(self) -> None:
        self.lost = 0
        self._last: int | None = None

    def add(self, number: int) -> int:
        """Take the number of a received message; returns how many were lost just before it."""
        if number == UNNUMBERED:
            return 0
        gap = 0 if self._last is None or number <= self._last else number - self._last - 1
        self._last = number
        self.lost += gap
        return gap
