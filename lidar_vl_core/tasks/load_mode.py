"""How much of a cloud is processed while clouds come faster than they can be answered."""

from collections import deque
from collections.abc import Sequence

SHARES = (1.0, 0.5, 0.25, 0.125)  # of the points
_WINDOW, _SLOW_ONES = 10, 3  # so many slow ones among the last clouds: look at less
_CALM = 50  # so many clouds in a row that leave room: look at more again
_ROOM = 0.5  # of the time there is: looking at twice as many points takes less than twice as long


class LoadMode:
    """Switches to a smaller share quickly and to a larger one slowly, so that it does not change with every cloud."""

    def __init__(self, most_ms: float, shares: Sequence[float] = SHARES) -> None:
        """most_ms: what a cloud may take, the time between two. shares: falling."""
        self._most_ms, self._shares = most_ms, tuple(shares)
        self._step = 0
        self._slow: deque[bool] = deque(maxlen=_WINDOW)
        self._calm = 0

    @property
    def share(self) -> float:
        """Share of the next cloud's points to process."""
        return self._shares[self._step]

    def answered(self, took_ms: float, others_lost: bool) -> bool:
        """Whether the share changes after a cloud that took so long; others_lost: clouds were replaced meanwhile."""
        slow = others_lost or took_ms > self._most_ms
        self._slow.append(slow)
        self._calm = self._calm + 1 if not slow and took_ms < _ROOM * self._most_ms else 0
        if sum(self._slow) >= _SLOW_ONES and self._step + 1 < len(self._shares):
            return self._go_to(self._step + 1)
        if self._calm >= _CALM and self._step > 0:
            return self._go_to(self._step - 1)
        return False

    def _go_to(self, step: int) -> bool:
        self._step, self._calm = step, 0
        self._slow.clear()
        return True
