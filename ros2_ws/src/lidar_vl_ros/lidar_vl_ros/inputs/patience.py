"""How long to wait for what may never come: not at all after a few waits in vain, until it is there in time again."""

import time

_MOST_WAITS_IN_VAIN = 3  # as for images


class Patience:
    """For one thread that waits for the transforms at a cloud's stamp."""

    def __init__(self) -> None:
        self._waits_in_vain = 0  # in a row

    def until_s(self, longest_s: float) -> float:
        """When to stop waiting, on time.monotonic()."""
        return time.monotonic() + (longest_s if self._waits_in_vain < _MOST_WAITS_IN_VAIN else 0.0)

    def ended(self, in_vain: bool) -> None:
        """Note whether the wait was in vain."""
        self._waits_in_vain = self._waits_in_vain + 1 if in_vain else 0
