"""How long to wait for what may never come: no longer after a few waits in vain, until it is there in time again."""

import time

_MOST_WAITS_IN_VAIN = 3  # as for images


class Patience:
    """Of one thread that waits for transforms of a cloud's time."""

    def __init__(self) -> None:
        self._waits_in_vain = 0  # in a row

    def until_s(self, longest_s: float) -> float:
        """When to stop waiting, on time.monotonic()."""
        return time.monotonic() + (longest_s if self._waits_in_vain < _MOST_WAITS_IN_VAIN else 0.0)

    def ended(self, in_vain: bool) -> None:
        """What became of the wait."""
        self._waits_in_vain = self._waits_in_vain + 1 if in_vain else 0
